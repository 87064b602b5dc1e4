import { SeededRandom } from '../../statistics/index.js';
import { badInput } from '../../../errors.js';
import { type CompiledSpace, compileSpace } from './compiled-space.js';
import { sobol } from './sobol.js';
import type { Params, SearchSpace } from './space.js';
import type { Sampler, StudyHistory } from './study.js';
import { pointsOf, randomOf, TrialFollower } from './trials.js';

/** A space with so few points is its own grid; else each parameter has at most five levels. */
export const WHOLE_GRID_POINTS = 1_000;
const GRID_LEVELS = 5;
export const MAX_GRID_POINTS = 100_000;
/** Points of the sequence that may fail in a row; then points that were taken before are taken again. */
const MAX_SKIPPED = 20_000;

/** Uniform over the space; in a space with few points, without points that were tried. */
export class RandomSampler implements Sampler {
  private readonly follower = new TrialFollower();

  suggest(history: StudyHistory, number: number): Params {
    this.follower.follow(history, number);
    return this.follower.drawNew(randomOf(history, number));
  }
}

/**
 * The Sobol sequence, scrambled by the study's seed. Each parameter has its own dimension, also while it is not active.
 * Points that break a constraint, or are rounded to an earlier point, are skipped; so the point of a trial follows from
 * its number alone.
 */
export class SobolSampler implements Sampler {
  private source: StudyHistory | undefined;
  private taken: Params[] = [];
  private keys = new Set<string>();
  private nextIndex = 0;

  suggest(history: StudyHistory, number: number): Params {
    const { space, seed } = history;
    if (this.source?.space !== space || this.source.seed !== seed) {
      this.source = history;
      this.taken = [];
      this.keys.clear();
      this.nextIndex = 0;
    }
    const inside = compileSpace(space);
    while (this.taken.length <= number) this.taken.push(this.nextPoint(inside, seed));
    return this.taken[number]!;
  }

  private nextPoint(space: CompiledSpace, seed: number): Params {
    let repeated: Params | undefined;
    for (let skipped = 0; skipped < MAX_SKIPPED; skipped++) {
      const params = sobolPoint(space, this.nextIndex++, seed);
      if (!space.isFeasible(params)) continue;
      if (space.size === Infinity) return params;
      const key = space.keyOf(params);
      if (!this.keys.has(key)) {
        this.keys.add(key);
        return params;
      }
      repeated ??= params;
      if (this.keys.size >= space.size) break;
    }
    if (!repeated) throw new Error('No feasible point was found in a space whose feasible share had been checked.');
    return repeated;
  }
}

/** Point `index` of the scrambled sequence in a space. */
export function sobolPoint(space: CompiledSpace, index: number, seed: number): Params {
  return space.at((axis) => {
    const place = sobol(index, axis, seed);
    const { isCategorical, size } = space.axes[axis]!;
    return isCategorical ? Math.floor(place * size) : place;
  });
}

/**
 * Every feasible point of a grid, in a seeded random order: the whole space when it has at most 1,000 points; else all
 * values of a parameter that has at most five, and five of each other one, evenly spaced on its scale. Points that were
 * tried, also as enqueued trials, are left out; after the last point it begins again.
 */
export class GridSampler implements Sampler {
  private readonly follower = new TrialFollower(undefined, undefined, true);
  private source: StudyHistory | undefined;
  private next = 0;
  private points: Params[] = [];

  suggest(history: StudyHistory, number: number): Params {
    this.follower.follow(history, number);
    if (this.source?.space !== history.space || this.source.seed !== history.seed) {
      this.points = shuffled(gridOf(history.space), history.seed);
      this.source = history;
      this.next = 0;
    }
    while (this.next < this.points.length && this.follower.hasTried(this.points[this.next]!)) this.next++;
    return this.points[this.next] ?? this.points[number % this.points.length]!;
  }
}

/** The points of a grid search. Errors: BAD_USER_INPUT when there are more than 100,000 or none. */
export function gridOf(space: SearchSpace, field = 'space'): Params[] {
  const inside = compileSpace(space);
  const points = new Map<string, Params>();
  let visited = 0;
  for (const params of pointsOf(inside, inside.size <= WHOLE_GRID_POINTS ? Infinity : GRID_LEVELS)) {
    if (inside.isFeasible(params)) points.set(inside.keyOf(params), params);
    if (++visited > MAX_GRID_POINTS) {
      const expected = `a grid of at most ${MAX_GRID_POINTS} points: fewer parameters, or another sampler`;
      throw badInput(`${field}.parameters`, expected, 'a larger grid');
    }
  }
  if (points.size === 0) throw badInput(`${field}.constraints`, 'constraints that a point of the grid fulfils', 0);
  return [...points.values()];
}

function shuffled(points: Params[], seed: number): Params[] {
  const random = new SeededRandom(seed);
  for (let i = points.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [points[i], points[j]] = [points[j]!, points[i]!];
  }
  return points;
}
