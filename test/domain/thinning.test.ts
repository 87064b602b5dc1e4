import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blocksOfPoints, joinBlocks, thin, type Blocks } from '../../src/modules/experiments/rules/thinning.js';

const value = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -50, max: 50 }) },
  { weight: 1, arbitrary: fc.constantFrom(NaN, Infinity, -Infinity) },
);
const history = fc.array(value, { minLength: 1, maxLength: 300 });

const seqsOf = (values: number[]) => values.map((_value, i) => i + 1);

/** Blocks of `size` points each, made in the simplest way. */
function blocksOf(values: number[], size: number): Blocks {
  const blocks = { lows: [], lowSeqs: [], highs: [], highSeqs: [], nanSeqs: [] } as Record<keyof Blocks, number[]>;
  for (let start = 0; start < values.length; start += size) {
    const points = values.slice(start, start + size).map((of, i) => ({ of, seq: start + i + 1 }));
    const numbers = points.filter(({ of }) => !Number.isNaN(of)).sort((a, b) => a.of - b.of || a.seq - b.seq);
    const low = numbers[0];
    const high = numbers.find(({ of }) => of === numbers.at(-1)?.of);
    blocks.lows.push(low?.of ?? NaN);
    blocks.lowSeqs.push(low?.seq ?? 0);
    blocks.highs.push(high?.of ?? NaN);
    blocks.highSeqs.push(high?.seq ?? 0);
    blocks.nanSeqs.push(points.find(({ of }) => Number.isNaN(of))?.seq ?? 0);
  }
  return blocks;
}

/** The points that must be kept of intervals with equally many blocks. */
function reference(values: number[], size: number, maxPoints: number): number[] {
  const count = Math.ceil(values.length / size);
  const stretches = Math.min(count, Math.floor(maxPoints / (values.some(Number.isNaN) ? 3 : 2)));
  return Array.from({ length: stretches }, (_, i) => {
    const [from, to] = [Math.floor((i * count) / stretches) * size, Math.floor(((i + 1) * count) / stretches) * size];
    const points = values.map((of, at) => ({ of, seq: at + 1 })).slice(from, to);
    const numbers = points.filter(({ of }) => !Number.isNaN(of));
    const [low, high] = [Math.min(...numbers.map(({ of }) => of)), Math.max(...numbers.map(({ of }) => of))];
    const firsts = [
      numbers.find(({ of }) => of === low),
      numbers.find(({ of }) => of === high),
      points.find(({ of }) => Number.isNaN(of)),
    ];
    return firsts.flatMap((point) => point?.seq ?? []);
  }).flat();
}

const sorted = (seqs: Iterable<number>) => [...new Set(seqs)].sort((a, b) => a - b);

describe('thinning', () => {
  it('keeps the least and the greatest value of every interval, and NaN, whatever the blocks are', () => {
    fc.assert(
      fc.property(
        history,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 0, max: 100 }),
        (values, size, maxPoints) => {
          const kept = thin(blocksOf(values, size), maxPoints);
          expect(sorted(kept)).toEqual(sorted(reference(values, size, maxPoints)));
          expect(kept.size).toBeLessThanOrEqual(maxPoints);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('never loses the least and the greatest value of all', () => {
    fc.assert(
      fc.property(
        history,
        fc.integer({ min: 3, max: 50 }),
        fc.integer({ min: 1, max: 20 }),
        (values, maxPoints, size) => {
          const numbers = values.filter((one) => !Number.isNaN(one));
          const kept = [...thin(blocksOf(values, size), maxPoints)].map((seq) => values[seq - 1]!);
          if (numbers.length > 0) {
            expect(kept).toContain(Math.min(...numbers));
            expect(kept).toContain(Math.max(...numbers));
          }
          expect(kept.some(Number.isNaN)).toBe(values.some(Number.isNaN));
        },
      ),
    );
  });

  it('treats points after blocks as blocks of one', () => {
    fc.assert(
      fc.property(history, fc.nat(300), (values, cut) => {
        const head = values.slice(0, cut);
        const tail = values.slice(cut);
        const both = joinBlocks(blocksOf(head, 1), blocksOfPoints(seqsOf(values).slice(cut), tail));
        expect(thin(both, 20)).toEqual(thin(blocksOfPoints(seqsOf(values), values), 20));
      }),
    );
  });
});
