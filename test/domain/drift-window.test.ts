import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildCategoricalReference,
  buildNumericReference,
  buildPredictionReference,
  countBins,
  type ReferenceProfile,
} from '../../src/modules/model-contract/rules/drift.js';
import { compareWindow, predictionShift } from '../../src/modules/monitoring/rules/drift-window.js';
import { sum } from '../../src/modules/statistics/rules/drift-statistics.js';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';

function normals(count: number, seed: number, mean = 0, std = 1): Float64Array {
  const random = new SeededRandom(seed);
  return Float64Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - random.next()));
    return mean + std * radius * Math.cos(2 * Math.PI * random.next());
  });
}

function categories(count: number, seed: number, shares: Record<string, number>): string[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => {
    let rest = random.next();
    for (const [name, share] of Object.entries(shares)) if ((rest -= share) < 0) return name;
    return Object.keys(shares)[0]!;
  });
}

const profile: ReferenceProfile = {
  features: {
    distance: buildNumericReference(normals(20_000, 1)),
    origin: buildCategoricalReference(categories(20_000, 2, { SFO: 0.5, LAX: 0.3, JFK: 0.2 })),
  },
  prediction: buildPredictionReference(normals(20_000, 3, 0.2, 0.1)),
};

const usual = (rows: number, seed: number) => ({
  features: { distance: normals(rows, seed), origin: categories(rows, seed + 1, { SFO: 0.5, LAX: 0.3, JFK: 0.2 }) },
  scores: normals(rows, seed + 2, 0.2, 0.1),
});

describe('references', () => {
  it('a numeric one has fractions with the sum 1 and ascending edges', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constant(NaN)), { minLength: 1, maxLength: 80 }),
        (values) => {
          const reference = buildNumericReference(Float64Array.from(values));
          const present = values.filter((value) => !Number.isNaN(value));
          expect(reference.missingShare).toBeCloseTo(1 - present.length / values.length, 12);
          expect(reference.shares).toHaveLength(reference.edges.length + 1);
          expect(sum(reference.shares)).toBeCloseTo(present.length > 0 ? 1 : 0, 12);
          expect(reference.edges).toEqual([...new Set(reference.edges)].sort((a, b) => a - b));
          expect(reference.sample).toHaveLength(present.length);
          expect(JSON.parse(JSON.stringify(reference))).toEqual(reference);
        },
      ),
    );
  });

  it('deciles of distinct values have a tenth each, and the sample follows the column', () => {
    const reference = buildNumericReference(Float64Array.from({ length: 5000 }, (_, i) => (i * 7919) % 5000));
    expect(reference.shares).toEqual(Array(10).fill(0.1));
    expect(reference).toMatchObject({ mean: 2499.5, rows: 5000, missingShare: 0 });
    expect(reference.sample).toHaveLength(2000);
    expect(reference.sample.slice(0, 3)).toEqual([1, 3, 6]);
    expect(countBins(Float64Array.of(-1, 499, 499.5, 1e9), reference.edges)).toEqual([2, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
  });

  it('a categorical one keeps the 200 most frequent categories, with any name', () => {
    const values = [
      ...Array.from({ length: 300 }, (_, i) => `c${i}`),
      '__proto__',
      '__proto__',
      'constructor',
      'constructor',
      null,
    ];
    const reference = buildCategoricalReference(values);
    expect(Object.keys(reference.counts)).toHaveLength(200);
    expect(Object.entries(reference.counts).slice(0, 2)).toEqual([
      ['__proto__', 2],
      ['constructor', 2],
    ]);
    expect(reference).toMatchObject({ otherCount: 102, rows: 305 });
    expect(reference.missingShare).toBeCloseTo(1 / 305, 12);
    const unknown = compareWindow(
      { features: { a: reference }, prediction: profile.prediction },
      { features: { a: Array<string>(100).fill('toString') }, scores: new Float64Array(0) },
    );
    expect(unknown.features[0]).toMatchObject({ rows: 100 });
  });

  it('predictions are in full blocks, the latest of very many', () => {
    expect(buildPredictionReference(Float64Array.of(1, 2, 3, 4, 5), 2)).toMatchObject({
      blockRows: 2,
      blockMeans: [1.5, 3.5],
      mean: 2.5,
    });
    expect(buildPredictionReference(Float64Array.of(1, 3))).toMatchObject({ blockRows: 2, blockMeans: [2], mean: 2 });
    expect(buildPredictionReference(new Float64Array(0))).toMatchObject({ blockMeans: [], mean: 0, std: 0 });
    const many = buildPredictionReference(
      Float64Array.from({ length: 10_003 }, (_, i) => i),
      1,
    );
    expect(many.blockMeans).toHaveLength(10_000);
    expect(many.blockMeans[0]).toBe(3);
  });
});

describe('compareWindow', () => {
  it('finds no drift in the same distribution: false alarms over 200 windows', () => {
    let features = 0;
    let predictions = 0;
    for (let seed = 0; seed < 200; seed++) {
      const comparison = compareWindow(profile, usual(500, 1000 + seed * 10));
      if (comparison.features.some((feature) => feature.drifted)) features++;
      if (comparison.prediction.drifted) predictions++;
    }
    console.log(
      `false alarms in 200 windows of 500 rows: features ${features}, predictions ${predictions} (about 9 ` +
        'expected beyond 2 σ)',
    );
    expect(features).toBe(0);
    expect(predictions).toBeLessThan(22);
  });

  it('notices a shifted column, other categories, and a shifted prediction', () => {
    const window = usual(500, 7);
    const shifted = compareWindow(profile, {
      ...window,
      features: { ...window.features, distance: normals(500, 8, 0.8) },
    });
    expect(shifted.features.map(({ feature, drifted }) => [feature, drifted])).toEqual([
      ['distance', true],
      ['origin', false],
    ]);
    const elsewhere = compareWindow(profile, {
      ...window,
      features: { ...window.features, origin: categories(500, 9, { SFO: 0.1, OAK: 0.9 }) },
    });
    expect(elsewhere.features.map(({ feature, drifted }) => [feature, drifted])).toEqual([
      ['distance', false],
      ['origin', true],
    ]);
    const later = compareWindow(profile, { ...window, scores: normals(500, 10, 0.25, 0.1) });
    expect(later).toMatchObject({ drifted: true, prediction: { drifted: true, sufficient: true } });
    expect(later.prediction.sigmas).toBeGreaterThan(5);
  });

  it('notices new missing values, and a constant that changes', () => {
    const window = usual(500, 11);
    const holes = window.features.distance.map((value, row) => (row % 2 === 0 ? NaN : value));
    const comparison = compareWindow(profile, { ...window, features: { ...window.features, distance: holes } });
    expect(comparison.features[0]).toMatchObject({ drifted: true, missingShare: 0.5 });
    const constant: ReferenceProfile = {
      ...profile,
      features: { c: buildNumericReference(new Float64Array(1000).fill(3)) },
    };
    const at = (value: number) =>
      compareWindow(constant, { features: { c: new Float64Array(200).fill(value) }, scores: window.scores });
    expect(at(3).features[0]).toMatchObject({ drifted: false, psi: 0, pValue: 1 });
    expect(at(3.1).features[0]).toMatchObject({ drifted: true, statistic: 1 });
    expect(at(2).features[0]).toMatchObject({ drifted: true, statistic: 1 });
  });

  it('gives no result for few rows, and is plain JSON', () => {
    const few = compareWindow(profile, {
      features: { distance: normals(50, 1, 9), origin: Array<string>(50).fill('OAK') },
      scores: normals(50, 1, 9),
    });
    expect(few.drifted).toBe(false);
    expect([few.prediction, ...few.features].map((part) => part.sufficient)).toEqual([false, false, false]);
    expect(JSON.parse(JSON.stringify(few))).toEqual(few);
    const none = compareWindow(profile, { features: {}, scores: new Float64Array(0) });
    expect(none).toMatchObject({ rows: 0, features: [], drifted: false });
  });

  it('reads text as numbers and numbers as categories when the client sends the other kind', () => {
    const codes = buildCategoricalReference(Array.from({ length: 1000 }, (_, i) => String(i % 2)));
    const numbers = buildNumericReference(Float64Array.from({ length: 1000 }, (_, i) => i % 7));
    const comparison = compareWindow(
      { features: { codes, numbers }, prediction: profile.prediction },
      {
        features: {
          codes: Float64Array.from({ length: 200 }, (_, i) => i % 2),
          numbers: Array.from({ length: 196 }, (_, i) => `${i % 7}`),
        },
        scores: usual(200, 1).scores,
      },
    );
    for (const feature of comparison.features) expect(feature.psi).toBeLessThan(0.01);
  });
});

describe('predictionShift', () => {
  it('counts in standard deviations of window means: independent rows give std / √n', () => {
    const reference = buildPredictionReference(normals(100_000, 20));
    for (const rows of [50, 75, 200, 520, 1000]) {
      const { sigmas } = predictionShift(reference, new Float64Array(rows).fill(reference.mean + 3 / Math.sqrt(rows)));
      expect(sigmas).toBeGreaterThan(2.6);
      expect(sigmas).toBeLessThan(3.4);
    }
  });

  it('widens when the reference itself varies, also for longer windows than it has', () => {
    // Twenty days of 500 rows; each day has its own level.
    const days = normals(40, 21, 0, 0.5);
    const noise = normals(20_000, 22);
    const swinging = buildPredictionReference(noise.map((value, row) => value + days[Math.floor(row / 500)]!));
    const shift = new Float64Array(500).fill(swinging.mean + 0.5);
    const { sigmas } = predictionShift(swinging, shift);
    expect(sigmas).toBeGreaterThan(0.8);
    expect(sigmas).toBeLessThan(1.6);
    const independent = predictionShift(buildPredictionReference(noise), shift).sigmas;
    expect(independent).toBeGreaterThan(8);
    const long = predictionShift(swinging, new Float64Array(10_000).fill(swinging.mean + 0.5)).sigmas;
    expect(long).toBeLessThan(
      predictionShift(buildPredictionReference(noise), new Float64Array(10_000).fill(0.5)).sigmas / 3,
    );
  });

  it('agrees with the plain computation over sliding windows', () => {
    const reference = buildPredictionReference(normals(5000, 23), 50);
    const means: number[] = [];
    for (let start = 0; start + 4 <= reference.blockMeans.length; start++)
      means.push(sum(reference.blockMeans.slice(start, start + 4)) / 4);
    const deviation = Math.sqrt(sum(means.map((mean) => (mean - reference.mean) ** 2)) / (means.length - 1));
    const { sigmas } = predictionShift(reference, new Float64Array(200).fill(0.3));
    expect(sigmas).toBeCloseTo((0.3 - reference.mean) / deviation, 8);
  });

  it('has no shift from itself, stays finite, and changes its sign with the direction', () => {
    const constant = buildPredictionReference(new Float64Array(1000).fill(0.5));
    expect(predictionShift(constant, new Float64Array(100).fill(0.5)).sigmas).toBe(0);
    expect(Math.abs(predictionShift(constant, new Float64Array(100).fill(0.6)).sigmas)).toBe(1e6);
    expect(predictionShift(constant, new Float64Array(0)).sigmas).toBe(0);
    expect(predictionShift(buildPredictionReference(new Float64Array(0)), new Float64Array(9)).sigmas).toBe(0);
    const { prediction } = profile;
    const up = predictionShift(prediction, new Float64Array(300).fill(prediction.mean + 0.01)).sigmas;
    expect(predictionShift(prediction, new Float64Array(300).fill(prediction.mean - 0.01)).sigmas).toBeCloseTo(-up, 9);
  });
});
