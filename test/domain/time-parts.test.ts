import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  civilDate,
  CYCLES,
  type CyclePart,
  cyclePartOf,
  cycleTable,
  DAY_MS,
  dayOf,
} from '../../src/modules/algorithms/rules/time-parts.js';

/** Nearly the whole range of a JavaScript date: the first of January of its year is in it too. */
const MOST_MS = 8_600_000_000_000_000;
const instants = fc.oneof(
  fc.integer({ min: -MOST_MS, max: MOST_MS }),
  fc.integer({ min: Date.UTC(1890, 0), max: Date.UTC(2110, 0) }),
  // Around the ends of years and of Februaries.
  fc
    .record({
      year: fc.integer({ min: 1580, max: 2420 }),
      month: fc.constantFrom(0, 1, 2, 11),
      day: fc.integer({ min: 1, max: 31 }),
      ms: fc.integer({ min: -2, max: 2 }),
    })
    .map(({ year, month, day, ms }) => Date.UTC(year, month, day) + ms),
);

describe('parts of a time', () => {
  it('are those of Date', () => {
    fc.assert(
      fc.property(instants, (instantMs) => {
        const date = new Date(instantMs);
        const year = date.getUTCFullYear();
        const start = new Date(0);
        start.setUTCFullYear(year, 0, 1);
        const dayOfYear = (Math.floor(instantMs / DAY_MS) * DAY_MS - start.getTime()) / DAY_MS;
        const [month, dayOfMonth] = [date.getUTCMonth(), date.getUTCDate() - 1];
        expect(civilDate(dayOf(instantMs))).toEqual({ year, month, dayOfMonth, dayOfYear });
        expect(cyclePartOf('HOUR', instantMs)).toBe(date.getUTCHours());
        expect(cyclePartOf('WEEKDAY', instantMs)).toBe((date.getUTCDay() + 6) % 7);
        for (const part of Object.keys(CYCLES) as CyclePart[]) {
          expect(cyclePartOf(part, instantMs)).toBeGreaterThanOrEqual(0);
          expect(cyclePartOf(part, instantMs)).toBeLessThan(CYCLES[part]);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('repeat in cycles', () => {
    for (const part of Object.keys(CYCLES) as CyclePart[]) {
      const table = cycleTable(part);
      expect(table).toHaveLength(CYCLES[part] * 2);
      for (let i = 0; i < table.length; i += 2) expect(Math.hypot(table[i]!, table[i + 1]!)).toBeCloseTo(1, 6);
    }
  });
});
