import { SeededRandom } from '../../statistics/index.js';
import { type CompiledSpace, compileSpace, drawUniform } from './compiled-space.js';
import type { Params } from './space.js';
import type { StudyHistory, TrialRecord } from './study.js';

/** Draws before a random point is given up. At a feasible share of 1 %, all fail once in 10^80 times. */
const MAX_DRAWS = 20_000;
/** Draws before the points of a small space that are left are listed. */
const UNSEEN_DRAWS = 200;
/** The points of larger spaces are not listed. */
const LISTED_POINTS = 20_000;

/** Random numbers of one trial. They depend on nothing else, so that the order of the calls changes nothing. */
export function randomOf({ seed }: StudyHistory, number: number): SeededRandom {
  let mixed = Math.imul((seed >>> 0) ^ Math.floor(seed / 2 ** 32), 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  return new SeededRandom(mixed ^ (mixed >>> 13));
}

/** Follows a history from call to call. Only new records are looked at; what is kept does not depend on their order. */
export class TrialFollower {
  private followed: StudyHistory['space'] | undefined;
  private seen: (TrialRecord | undefined)[] = [];
  private readonly done = new Set<number>();
  /** Trials that run now, by number. */
  running: TrialRecord[] = [];
  /** The points that were tried, of a space that is finite or when all are wanted. */
  private tried = new Set<string>();
  space!: CompiledSpace;

  /** `add` gets each finished trial once; `reset` is called when it is another study. */
  constructor(
    private readonly add: (trial: TrialRecord) => void = () => undefined,
    private readonly reset: () => void = () => undefined,
    private readonly keepsAllTried = false,
  ) {}

  follow(history: StudyHistory, number: number): void {
    if (this.followed !== history.space) {
      this.followed = history.space;
      this.space = compileSpace(history.space);
      this.seen = [];
      this.done.clear();
      this.tried.clear();
      this.reset();
    }
    this.running = [];
    const { trials } = history;
    for (let i = 0; i < trials.length; i++) {
      const trial = trials[i]!;
      if (trial === this.seen[i] || trial.number === number) continue;
      this.look(trial, i);
    }
    this.running.sort((a, b) => a.number - b.number);
  }

  private look(trial: TrialRecord, i: number): void {
    if (this.keepsAllTried || this.space.size < Infinity) this.tried.add(this.space.keyOf(trial.params));
    if (trial.state === 'RUNNING') this.running.push(trial);
    else if (trial.state === 'FAILED' || this.done.has(trial.number)) this.seen[i] = trial;
    else {
      this.seen[i] = trial;
      this.done.add(trial.number);
      this.add(trial);
    }
  }

  /** Whether a trial of a space with few points had these parameters. */
  hasTried(params: Params): boolean {
    return this.tried.size > 0 && this.tried.has(this.space.keyOf(params));
  }

  /** A feasible point that no trial had, while there is one. */
  drawNew(random: SeededRandom): Params {
    let feasible: Params | undefined;
    for (let draw = 0; draw < MAX_DRAWS; draw++) {
      const params = drawUniform(this.space, random);
      if (!this.space.isFeasible(params)) continue;
      if (!this.hasTried(params)) return params;
      feasible = params;
      if (draw >= UNSEEN_DRAWS) break;
    }
    const left = this.space.size <= LISTED_POINTS ? this.untried() : [];
    const found = left[random.below(left.length)] ?? feasible;
    if (!found) throw new Error('No feasible point was found in a space whose feasible share had been checked.');
    return found;
  }

  private untried(): Params[] {
    return [...pointsOf(this.space)].filter((params) => this.space.isFeasible(params) && !this.hasTried(params));
  }
}

/**
 * Every point of a space. Continuous axes have `levels` points, evenly spaced; axes with more values than that, too,
 * unless `levels` is absent.
 */
export function* pointsOf(space: CompiledSpace, levels = Infinity): Generator<Params> {
  const placesOf = space.axes.map(({ isCategorical, size, placeAt }) =>
    isCategorical || size <= levels
      ? Array.from({ length: size }, (_, i) => placeAt(i))
      : Array.from({ length: levels }, (_, i) => (levels === 1 ? 0.5 : i / (levels - 1))),
  );
  const order = space.groups.flatMap((group) => group.axes.map((axis) => ({ axis, group })));
  const places = new Float64Array(space.axes.length);
  function* from(depth: number, params: Params): Generator<Params> {
    const next = order[depth];
    if (!next) return yield space.at((axis) => places[axis]!);
    if (!next.group.isActive(params)) return yield* from(depth + 1, params);
    const { name, valueAt } = space.axes[next.axis]!;
    for (const place of placesOf[next.axis]!) {
      places[next.axis] = place;
      yield* from(depth + 1, { ...params, [name]: valueAt(place) });
    }
  }
  yield* from(0, {});
}
