import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import { compileSpace, feasibleShare } from '../../src/modules/tuning/rules/compiled-space.js';
import { KernelStore } from '../../src/modules/tuning/rules/kernel-store.js';
import { gridOf } from '../../src/modules/tuning/rules/plain-samplers.js';
import { autoSampler, createSampler, SAMPLERS } from '../../src/modules/tuning/rules/samplers.js';
import { sobol } from '../../src/modules/tuning/rules/sobol.js';
import type { Params, SearchSpace } from '../../src/modules/tuning/rules/space.js';
import type { Sampler, TrialRecord } from '../../src/modules/tuning/rules/study.js';
import { fixture } from './fixture.js';
import { assertInside, historyOf, spaces, trial } from './tuning-fixtures.js';

const plane: SearchSpace = {
  parameters: ['x', 'y'].map((name) => ({ name, kind: 'FLOAT', low: -5, high: 5 })),
  constraints: [],
};

/** Runs a study of `count` trials, one after the other. */
function run(
  sampler: Sampler,
  space: SearchSpace,
  count: number,
  objective: (params: Params) => number,
  seed = 1,
): TrialRecord[] {
  const trials: TrialRecord[] = [];
  for (let number = 0; number < count; number++) {
    const params = sampler.suggest(historyOf(space, trials, { seed }), number);
    trials.push(trial(number, params, { values: [objective(params)] }));
  }
  return trials;
}

const bestOf = (trials: readonly TrialRecord[]): number => Math.min(...trials.map(({ values }) => values![0]!));
const sphere = (params: Params): number =>
  Object.values(params).reduce<number>((sum, x) => sum + (Number(x) - 1) ** 2, 0);

describe('samplers', () => {
  it('the kernels of a study have room among those of thousands of trials of earlier studies', () => {
    const { axes } = compileSpace(plane);
    const store = new KernelStore(axes, 1);
    for (let number = -2_500; number < 500; number++) {
      const x = (number < 0 ? -4 : 4) + (number % 10) / 20;
      store.add(trial(number, { x, y: x }));
    }
    const mixture = store.badMixture([], [trial(500, { x: 4, y: 4 }, { state: 'RUNNING' })]);
    const densityAt = (x: number) => mixture.logDensity(Float64Array.from(axes, (axis) => axis.placeOf(x)));
    expect(densityAt(4.2)).toBeGreaterThan(densityAt(0));
    expect(densityAt(-4.2)).toBeGreaterThan(densityAt(0));
  });

  it.each(SAMPLERS)('%s stays in the space, with its conditions and constraints, by property', (name) => {
    fc.assert(
      fc.property(spaces(), fc.nat(), (space, seed) => {
        fc.pre(feasibleShare(space) >= 0.01);
        const random = new SeededRandom(seed);
        const sampler = createSampler(name);
        for (const { params } of run(sampler, space, 25, () => random.next(), seed))
          assertInside(space, params, { constraints: true });
      }),
      { numRuns: name === 'GRID' ? 20 : 60, endOnFailure: true },
    );
  });

  it.each(SAMPLERS)('%s gives the same for the same trials in any order, from a new or an old sampler', (name) => {
    fc.assert(
      fc.property(spaces(), fc.nat(), fc.array(fc.nat(), { minLength: 30, maxLength: 30 }), (space, seed, keys) => {
        fc.pre(feasibleShare(space) >= 0.01);
        const old = createSampler(name);
        const random = new SeededRandom(seed);
        const trials = run(old, space, 30, () => random.next(), seed).map((one, i): TrialRecord => {
          const state = i % 7 === 3 ? 'PRUNED' : i % 11 === 5 ? 'RUNNING' : i % 13 === 6 ? 'FAILED' : 'COMPLETE';
          return { ...one, state, curve: [{ step: i % 3, values: [random.next()] }] };
        });
        const next = (sampler: Sampler, list: readonly TrialRecord[]) =>
          sampler.suggest(historyOf(space, list, { seed }), 30);
        const expected = next(createSampler(name), trials);
        const mixed = trials.toSorted((a, b) => keys[a.number]! - keys[b.number]! || a.number - b.number);
        expect(next(createSampler(name), mixed)).toEqual(expected);
        const stepwise = createSampler(name);
        for (let count = 0; count <= 30; count += 5) next(stepwise, mixed.slice(0, count));
        expect(next(stepwise, mixed)).toEqual(expected);
        expect(next(stepwise, trials)).toEqual(expected);
      }),
      { numRuns: name === 'GRID' ? 15 : 40, endOnFailure: true },
    );
  });

  it.each(SAMPLERS)('%s tries every point of a small space once', (name) => {
    const space: SearchSpace = {
      parameters: [
        { name: 'a', kind: 'INTEGER', low: 1, high: 6 },
        { name: 'b', kind: 'CATEGORICAL', choices: ['x', 'y', 'z'] },
        { name: 'c', kind: 'FLOAT', low: 0, high: 0.5, step: 0.25, when: { parameter: 'b', oneOf: ['x'] } },
      ],
      constraints: ['a != 3'],
    };
    const trials = run(createSampler(name), space, 25, ({ a, c = 0 }) => Number(a) + Number(c));
    expect(new Set(trials.map(({ params }) => JSON.stringify(params))).size).toBe(5 * 3 + 5 + 5);
    expect(gridOf(space)).toHaveLength(25);
    // Trials that somebody enqueued are points of the grid that need no second look.
    const [first, second] = gridOf(space);
    const known = [trial(0, first!), trial(1, second!)];
    const sampler = createSampler('GRID');
    for (let number = 2; number < 25; number++)
      known.push(trial(number, sampler.suggest(historyOf(space, known), number)));
    expect(new Set(known.map(({ params }) => JSON.stringify(params))).size).toBe(25);
  });

  it('TPE is far better than random, and best with conditions where they decide', () => {
    const tpe = [1, 2, 3, 4, 5].map((seed) => bestOf(run(createSampler('TPE'), plane, 60, sphere, seed)));
    const random = [1, 2, 3, 4, 5].map((seed) => bestOf(run(createSampler('RANDOM'), plane, 60, sphere, seed)));
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(tpe)).toBeLessThan(mean(random) / 4);
  });

  it('TPE sends parallel trials to different places', () => {
    const done = run(createSampler('TPE'), plane, 40, sphere);
    const open: TrialRecord[] = [];
    for (let number = 40; number < 48; number++) {
      const params = createSampler('TPE').suggest(historyOf(plane, [...done, ...open]), number);
      open.push(trial(number, params, { state: 'RUNNING' }));
    }
    const alone = createSampler('TPE').suggest(historyOf(plane, done), 47);
    expect(open.at(-1)!.params).not.toEqual(alone);
  });

  it('TPE prefers feasible trials', () => {
    const space = plane;
    const trials: TrialRecord[] = [];
    const sampler = createSampler('TPE');
    for (let number = 0; number < 80; number++) {
      const params = sampler.suggest(historyOf(space, trials), number);
      const violation = 1 - Number(params['x']);
      trials.push(trial(number, params, { values: [sphere(params)], violations: [violation] }));
    }
    const late = trials.slice(40).filter(({ violations }) => violations![0]! <= 0);
    expect(late.length).toBeGreaterThan(20);
  });

  it('TPE keeps 1,000 of many trials, whatever their order', () => {
    const random = new SeededRandom(4);
    const trials = Array.from({ length: 3_000 }, (_, number) => {
      const params = { x: random.next() * 10 - 5, y: random.next() * 10 - 5 };
      return trial(number, params, { values: [sphere(params)] });
    });
    const next = createSampler('TPE').suggest(historyOf(plane, trials), 3_000);
    expect(sphere(next)).toBeLessThan(2);
    expect(createSampler('TPE').suggest(historyOf(plane, trials.toReversed()), 3_000)).toEqual(next);
  });

  it('AUTO follows its rule', () => {
    const few: SearchSpace = { parameters: [{ name: 'a', kind: 'INTEGER', low: 1, high: 20 }], constraints: [] };
    expect(autoSampler(few, 20).sampler).toBe('GRID');
    expect(autoSampler(few, 19).sampler).toBe('TPE');
    expect(autoSampler(plane, 14).sampler).toBe('SOBOL');
    expect(autoSampler(plane, 100).sampler).toBe('TPE');
    expect(autoSampler(few, null).sampler).toBe('TPE');
  });
});

describe('the Sobol sequence', () => {
  it('has the points that scipy computes from the numbers of Joe and Kuo', () => {
    for (const { index, point } of fixture<{ index: number; point: number[] }>('tuning-sobol'))
      expect(point.map((_, dimension) => sobol(index, dimension))).toEqual(point);
  });

  it.each([undefined, 7])('has one of 2^k points in each of 2^k intervals of each dimension (seed %s)', (seed) => {
    for (let dimension = 0; dimension < 100; dimension++) {
      const cells = new Set(Array.from({ length: 256 }, (_, index) => Math.floor(256 * sobol(index, dimension, seed))));
      expect(cells.size).toBe(256);
    }
  });

  it('differs between seeds', () => {
    const first = (seed: number) => [0, 1, 2].map((index) => sobol(index, 0, seed));
    expect(first(1)).not.toEqual(first(2));
    expect(first(1)).toEqual(first(1));
  });
});
