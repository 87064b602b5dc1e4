import type { SeededRandom } from '../../statistics/index.js';
import type { Axis } from './axis.js';
import { type CompiledSpace, type Group, joined } from './compiled-space.js';
import { GoodTrials } from './good-trials.js';
import { KernelStore } from './kernel-store.js';
import { Mixture, type MixtureShape } from './mixture.js';
import { sobolPoint } from './plain-samplers.js';
import type { ParameterValue, Params } from './space.js';
import type { Sampler, StudyHistory, TrialRecord } from './study.js';
import { randomOf, TrialFollower } from './trials.js';

const STARTUP_TRIALS = 10;
const CANDIDATES = 24;
/** The values of so many candidates are tried on each axis of the best one. */
const REFINEMENTS = 8;
/** Candidates drawn for the wanted ones, when constraints or tried points refuse many. */
const MOST_DRAWS = 20 * CANDIDATES;
/** Whole proposals before a random point is taken. */
const ATTEMPTS = 5;
/** The good trials are few, so their kernels would stay wide for long: the narrowest are half as wide as Optuna's. */
const NARROWER = 2;
/** A category that others depend on is judged by trials of its branch that came before it had learnt anything. */
const SMOOTHING_OF_PARENT = 2;

/** A group of parameters with more than one value, and what is known of them. */
interface Part {
  group: Group;
  axes: Axis[];
  store: KernelStore;
  /** The good ones of the trials in which a group with a condition was active; null: those of the study. */
  good: GoodTrials | null;
  shape: MixtureShape;
}

/**
 * Multivariate tree-structured Parzen estimator (Bergstra et al. 2011; Watanabe 2023, arXiv 2304.11127). The best tenth
 * of the finished trials, at most 25, are good, all others bad. Of 24 points drawn from the density of the good ones,
 * the one with the greatest ratio of both densities is taken, and on each axis the value of another candidate when the
 * ratio grows by it. Parameters with the same condition are drawn together, a group after the one that it depends on,
 * from the trials in which the group was active, of which the best tenth is good: a branch learns from its own trials,
 * also while another one is better. The first ten trials are points of the Sobol sequence.
 */
export class TpeSampler implements Sampler {
  private readonly follower = new TrialFollower(
    (trial) => this.add(trial),
    () => (this.study = undefined),
  );
  private study: { good: GoodTrials; parts: Part[] } | undefined;
  private history!: StudyHistory;

  suggest(history: StudyHistory, number: number): Params {
    this.history = history;
    this.follower.follow(history, number);
    const random = randomOf(history, number);
    const { good, parts } = this.current();
    if (good.count < STARTUP_TRIALS) {
      const point = sobolPoint(this.follower.space, number, history.seed);
      return this.isAllowed(point) ? point : this.follower.drawNew(random);
    }
    const round = new Round(this.follower, parts, good.good(), random);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const params = round.propose();
      if (params) return params;
    }
    return this.follower.drawNew(random);
  }

  private isAllowed(params: Params): boolean {
    return this.follower.space.isFeasible(params) && !this.follower.hasTried(params);
  }

  private current(): { good: GoodTrials; parts: Part[] } {
    this.study ??= {
      good: new GoodTrials(this.history.objectives),
      parts: this.follower.space.groups.map((group) => {
        const axes = group.axes.map((axis) => this.follower.space.axes[axis]!).filter(({ size }) => size > 1);
        return {
          ...{ group, axes, store: new KernelStore(axes, this.history.seed) },
          good: group.isConditional ? new GoodTrials(this.history.objectives) : null,
          shape: {
            narrower: NARROWER,
            smoothing: axes.map(({ name }) => (this.follower.space.parents.has(name) ? SMOOTHING_OF_PARENT : 1)),
          },
        };
      }),
    };
    return this.study;
  }

  private add(trial: TrialRecord): void {
    const { good, parts } = this.current();
    good.add(trial);
    for (const part of parts) {
      if (!hasAll(part.axes, trial.params)) continue;
      part.store.add(trial);
      part.good?.add(trial);
    }
  }
}

function hasAll(axes: readonly Axis[], params: Params): boolean {
  return axes.length > 0 && axes.every(({ name }) => params[name] !== undefined);
}

/** The densities for one trial. */
class Round {
  private readonly mixtures = new Map<Part, { good: Mixture; bad: Mixture }>();

  constructor(
    private readonly follower: TrialFollower,
    private readonly parts: readonly Part[],
    private readonly good: readonly TrialRecord[],
    private readonly random: SeededRandom,
  ) {}

  private get space(): CompiledSpace {
    return this.follower.space;
  }

  /** Undefined when all candidates break a constraint or were tried. */
  propose(): Params | undefined {
    let params: Params = {};
    for (const part of this.parts) {
      if (!part.group.isActive(params)) continue;
      const next = this.best(part, params);
      if (!next) return undefined;
      params = next;
    }
    return this.isAllowed(params) ? params : undefined;
  }

  private isAllowed(params: Params): boolean {
    return this.space.isFeasible(params) && !this.follower.hasTried(params);
  }

  private best(part: Part, params: Params): Params | undefined {
    const mixtures = this.mixturesOf(part);
    const drawn: Float64Array[] = [];
    let best: { point: Float64Array; params: Params; gain: number } | undefined;
    for (let draw = 0; drawn.length < CANDIDATES && draw < MOST_DRAWS; draw++) {
      const point = mixtures.good.draw(this.random);
      const candidate = this.allowed(part, params, point);
      if (!candidate) continue;
      drawn.push(point);
      const gain = mixtures.good.logDensity(point) - mixtures.bad.logDensity(point);
      if (!best || gain > best.gain) best = { point, params: candidate, gain };
    }
    if (!best) return undefined;
    for (let a = 0; a < part.axes.length; a++) {
      const places = drawn.slice(0, REFINEMENTS).map((point) => point[a]!);
      const above = mixtures.good.logDensitiesAlong(best.point, a, places);
      const below = mixtures.bad.logDensitiesAlong(best.point, a, places);
      const gains = above.map((density, i) => density - below[i]!);
      const gain = Math.max(...gains);
      if (!(gain > best.gain)) continue;
      const point = best.point.with(a, places[gains.indexOf(gain)]!);
      const candidate = this.allowed(part, params, point);
      if (candidate) best = { point, params: candidate, gain };
    }
    return best.params;
  }

  /** The parameters with a point of a group, when they may be tried. */
  private allowed(part: Part, params: Params, point: Float64Array): Params | undefined {
    const later = this.parts.slice(this.parts.indexOf(part) + 1);
    const candidate = joined(this.space, params, this.valuesAt(part, point));
    // The last group decides whether a whole point is allowed.
    const isWhole = !later.some(({ group }) => group.isActive(candidate));
    const isAllowed = isWhole
      ? this.isAllowed(candidate)
      : part.group.constraints.every((constraint) => constraint.holds(candidate));
    return isAllowed ? candidate : undefined;
  }

  private valuesAt({ group, axes }: Part, point: Float64Array): Params {
    const values: Record<string, ParameterValue> = {};
    for (const index of group.axes) {
      const axis = this.space.axes[index]!;
      values[axis.name] = axis.valueAt(axis.size > 1 ? point[axes.indexOf(axis)]! : axis.placeAt(0));
    }
    return values;
  }

  private mixturesOf(part: Part): { good: Mixture; bad: Mixture } {
    const known = this.mixtures.get(part);
    if (known) return known;
    const running = this.follower.running.filter(({ params }) => hasAll(part.axes, params));
    const good = (part.good?.good() ?? this.good).filter(({ params }) => hasAll(part.axes, params));
    const made = { good: goodMixture(part, good), bad: part.store.badMixture(good, running) };
    this.mixtures.set(part, made);
    return made;
  }
}

function goodMixture({ axes, shape }: Part, trials: readonly TrialRecord[]): Mixture {
  const places = axes.map((axis) => Float64Array.from(trials, ({ params }) => axis.placeOf(params[axis.name]!)));
  const orders = places.map((own) => Int32Array.from(own.keys()).sort((a, b) => own[a]! - own[b]! || a - b));
  return new Mixture(axes, places, orders, new Float64Array(trials.length).fill(1), shape);
}
