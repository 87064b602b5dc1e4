import { describe, expect, it } from 'vitest';
import { axisOf } from '../../src/modules/tuning/rules/axis.js';
import { KernelStore } from '../../src/modules/tuning/rules/kernel-store.js';
import type { ParameterSpace, ParameterValue } from '../../src/modules/tuning/rules/space.js';
import { fixture } from './fixture.js';
import { trial } from './tuning-fixtures.js';

const parameters: ParameterSpace[] = [
  { name: 'x', kind: 'FLOAT', low: -5, high: 5 },
  { name: 'rate', kind: 'FLOAT', low: 1e-5, high: 1e-1, log: true },
  { name: 'depth', kind: 'INTEGER', low: 1, high: 12 },
  { name: 'units', kind: 'INTEGER', low: 1, high: 1024, log: true },
  { name: 'share', kind: 'FLOAT', low: 0, high: 1, step: 0.25 },
  { name: 'kind', kind: 'CATEGORICAL', choices: [0, 1, 2] },
];

interface Case {
  names: string[];
  observed: Record<string, number[]>;
  points: Record<string, number[]>;
  logDensity: number[];
}

describe('the Parzen estimator', () => {
  it("differs from Optuna's by one constant for each space, whatever the trials", () => {
    const constants = new Map<string, number>();
    for (const { names, observed, points, logDensity } of fixture<Case>('tuning-parzen')) {
      const axes = parameters.filter(({ name }) => names.includes(name)).map(axisOf);
      const row = (table: Record<string, number[]>, i: number): Record<string, ParameterValue> =>
        Object.fromEntries(names.map((name) => [name, table[name]![i]!]));
      const store = new KernelStore(axes, 1);
      observed[names[0]!]!.forEach((_, i) => store.add(trial(i, row(observed, i))));
      const mixture = store.badMixture([], []);
      logDensity.forEach((expected, i) => {
        const point = Float64Array.from(axes, (axis) => axis.placeOf(row(points, i)[axis.name]!));
        // Theirs is a density in the parameter's unit, or the mass of a value; this one is relative to the range.
        const widths = axes.reduce((sum, axis, a) => {
          const cell = axis.cellAt(point[a]!);
          return cell ? sum + Math.log(cell.to - cell.from) : sum;
        }, 0);
        const difference = expected - (mixture.logDensity(point) + widths);
        const key = names.join();
        if (!constants.has(key)) constants.set(key, difference);
        // Among equal values, the sort of numpy decides which one is the outermost, whose weight may be another one.
        if (observed[names[0]!]!.length > 25 && axes.some((axis) => axis.cellAt(0.5))) return;
        expect(difference, `${key} of ${observed[names[0]!]!.length}`).toBeCloseTo(constants.get(key)!, 2);
      });
    }
  });
});
