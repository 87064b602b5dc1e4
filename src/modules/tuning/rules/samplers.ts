import { compileSpace } from './compiled-space.js';
import { GridSampler, RandomSampler, SobolSampler, WHOLE_GRID_POINTS } from './plain-samplers.js';
import type { SearchSpace } from './space.js';
import type { Sampler } from './study.js';
import { TpeSampler } from './tpe-sampler.js';

export const SAMPLERS = ['TPE', 'SOBOL', 'RANDOM', 'GRID'] as const;
export type SamplerName = (typeof SAMPLERS)[number];

/** Fewer trials than this leave TPE nearly no time after its random start. */
const FEWEST_FOR_TPE = 15;

/**
 * What AUTO means for a study, with the rule that decided. `trials`: the planned number, or null without a limit.
 */
export function autoSampler(space: SearchSpace, trials: number | null): { sampler: SamplerName; reason: string } {
  const { size } = compileSpace(space);
  if (trials !== null && size <= Math.min(trials, WHOLE_GRID_POINTS))
    return { sampler: 'GRID', reason: `The space has ${size} points, no more than the ${trials} trials.` };
  if (trials !== null && trials < FEWEST_FOR_TPE)
    return { sampler: 'SOBOL', reason: `Fewer than ${FEWEST_FOR_TPE} trials are too few to learn from.` };
  return { sampler: 'TPE', reason: 'There are enough trials to learn from, and more points than trials.' };
}

export function createSampler(name: SamplerName): Sampler {
  if (name === 'TPE') return new TpeSampler();
  if (name === 'SOBOL') return new SobolSampler();
  return name === 'GRID' ? new GridSampler() : new RandomSampler();
}
