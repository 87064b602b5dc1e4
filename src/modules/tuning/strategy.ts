import type { Study } from '../../db/entities/tuning/study.entity.js';
import { badInput } from '../../errors.js';
import { checkFeasible } from './rules/compiled-space.js';
import { gridOf } from './rules/plain-samplers.js';
import {
  AshaPruner,
  HyperbandPruner,
  MedianPruner,
  PatiencePruner,
  ThresholdPruner,
  WilcoxonPruner,
} from './rules/pruners.js';
import { autoSampler, createSampler, type SamplerName } from './rules/samplers.js';
import type { SearchSpace } from './rules/space.js';
import type { Pruner, Sampler } from './rules/study.js';
import type { PrunerConfig, SamplerKind, StudySpec } from './rules/study-spec.js';

/** The sampler of a study, and why it was chosen; no reason when the request names it. */
export function chosenSampler(
  asked: SamplerKind,
  space: SearchSpace,
  maxTrials: number | null,
): { sampler: SamplerName; samplerReason: string | null } {
  checkFeasible(space, 'input.space');
  const auto = asked === 'AUTO' ? autoSampler(space, maxTrials) : null;
  const sampler = auto?.sampler ?? (asked as SamplerName);
  if (sampler === 'GRID') gridOf(space, 'input.space');
  return { sampler, samplerReason: auto?.reason ?? null };
}

export function samplerOf({ spec }: Study): Sampler {
  return createSampler(spec.sampler);
}

/** BAD_USER_INPUT when the pruner lacks a setting, or cannot work with such a study. */
export function checkPruner({ pruner, objectives }: Pick<StudySpec, 'pruner' | 'objectives'>): void {
  const { kind, maxSteps, patience, lower, upper } = pruner;
  if (objectives.length > 1 && (kind === 'WILCOXON' || kind === 'THRESHOLD'))
    throw badInput('input.pruner.kind', `another pruner with several objectives, as ${kind} compares one`, kind);
  if (kind === 'HYPERBAND' && maxSteps === undefined)
    throw badInput('input.pruner.maxSteps', 'the last step of a trial, which HYPERBAND needs', null);
  if (kind === 'PATIENCE' && patience === undefined)
    throw badInput('input.pruner.patience', 'a number of steps, which PATIENCE needs', null);
  if (lower !== undefined && upper !== undefined && lower > upper)
    throw badInput('input.pruner.upper', `a number of at least lower, ${lower}`, upper);
}

/** Null when no trial is stopped early. */
export function prunerOf({ pruner, curve }: StudySpec): Pruner | null {
  const { kind, minSteps, maxSteps = 1, reduction, startupTrials, patience = 1, minDelta, pValue } = pruner;
  const sign = curve.direction === 'MAXIMIZE' ? -1 : 1;
  const halving = {
    ...(minSteps !== undefined && { minStep: minSteps }),
    ...(reduction !== undefined && { reduction }),
  };
  switch (kind) {
    case 'NONE':
      return null;
    case 'ASHA':
      return new AshaPruner(halving);
    case 'HYPERBAND':
      return new HyperbandPruner({ ...halving, maxStep: maxSteps });
    case 'MEDIAN':
      return new MedianPruner({
        sign,
        ...(startupTrials !== undefined && { startupTrials }),
        ...(minSteps !== undefined && { warmupSteps: minSteps }),
      });
    case 'WILCOXON':
      return new WilcoxonPruner({
        ...(pValue !== undefined && { pValue }),
        ...(minSteps !== undefined && { startupSteps: minSteps }),
      });
    case 'PATIENCE':
      return new PatiencePruner({ sign, patience, ...(minDelta !== undefined && { minDelta }) });
    case 'THRESHOLD':
      return new ThresholdPruner({ sign, ...limitsOf(pruner, curve.direction) });
  }
}

/** Pruners see values of which less is better. */
function limitsOf({ lower, upper }: PrunerConfig, direction: 'MINIMIZE' | 'MAXIMIZE') {
  const [lowest, highest] =
    direction === 'MINIMIZE'
      ? [lower, upper]
      : [upper === undefined ? undefined : -upper, lower === undefined ? undefined : -lower];
  return { ...(lowest !== undefined && { lowest }), ...(highest !== undefined && { highest }) };
}
