import { Tensor } from 'onnxruntime-node';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MISSING_TIMESTAMP_MS } from '../../src/modules/model-contract/rules/element.js';
import { CYCLES, type CyclePart, cyclePartOf, DAY_MS } from '../../src/modules/algorithms/rules/time-parts.js';
import { GraphBuilder } from '../../src/inference/onnx/format/graph-builder.js';
import { encodeRows, type Encoding } from '../../src/training/encoding.js';
import { TimeGraph } from '../../src/training/graphs/time-graph.js';
import { createSession } from '../../src/training/session.js';

const PARTS = Object.keys(CYCLES) as CyclePart[];

it('computes the parts of any timestamp exactly like the trainer', async () => {
  const b = new GraphBuilder('g/');
  b.input('at', 'int64', ['rows', 1]);
  const times = new TimeGraph(b);
  const numbers = [
    { kind: 'YEAR', column: 'at', mean: 1987.25, inverseStd: 0.1 },
    { kind: 'AGE', column: 'at', mean: -1234.5, inverseStd: 1 / 777 },
  ] as const;
  for (const part of PARTS) {
    b.output(part, times.part('at', part), 'int64', ['rows', 1]);
    b.output(`cycle ${part}`, times.cycle({ kind: 'CYCLE', column: 'at', part }), 'float', ['rows', 2]);
  }
  for (const number of numbers) b.output(number.kind, times.scaled(number), 'float', ['rows', 1]);
  const session = await createSession(b.model('times'));

  const instants = fc.oneof(
    fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 }),
    fc.integer({ min: Date.UTC(1900, 0), max: Date.UTC(2100, 0) }),
    fc.integer({ min: -150_000, max: 50_000 }).map((day) => day * DAY_MS),
    fc.integer({ min: -150_000, max: 50_000 }).map((day) => day * DAY_MS - 1),
    fc.constant(Number.NaN),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(instants, { minLength: 1, maxLength: 400 }), async (list) => {
      const values = Float64Array.from(list);
      const data = BigInt64Array.from(list, (value) => (Number.isNaN(value) ? MISSING_TIMESTAMP_MS : BigInt(value)));
      const outputs = await session.run({ at: new Tensor('int64', data, [list.length, 1]) });
      const encoding: Encoding = {
        numeric: [...numbers, ...PARTS.map((part) => ({ kind: 'CYCLE', column: 'at', part }) as const)],
        numericWidth: numbers.length + 2 * PARTS.length,
        slots: [],
        indicatorCount: 0,
        embedded: [],
      };
      const rows = Int32Array.from(list.keys());
      const { numeric } = encodeRows(encoding, new Map([['at', { name: 'at', type: 'TIMESTAMP', values }]]), rows);
      const of = (name: string): Float32Array => outputs[name]!.data as Float32Array;
      list.forEach((value, row) => {
        const own = numeric.subarray(row * encoding.numericWidth, (row + 1) * encoding.numericWidth);
        expect([of('YEAR')[row], of('AGE')[row]]).toEqual([own[0], own[1]]);
        PARTS.forEach((part, i) => {
          if (!Number.isNaN(value))
            expect(Number((outputs[part]!.data as BigInt64Array)[row])).toBe(cyclePartOf(part, value));
          const pair = of(`cycle ${part}`).subarray(row * 2, row * 2 + 2);
          expect([...pair]).toEqual([...own.subarray(2 + 2 * i, 4 + 2 * i)]);
        });
      });
    }),
    { numRuns: 40 },
  );
});
