import { describe, expect, it } from 'vitest';
import {
  buildCategoricalReference,
  buildNumericReference,
  buildPredictionReference,
  type ReferenceProfile,
} from '../../src/modules/model-contract/rules/drift.js';
import { compareWindow } from '../../src/modules/monitoring/rules/drift-window.js';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import {
  countedSince,
  type LoggedRequest,
  toTrafficWindow,
  windowSignals,
} from '../../src/modules/monitoring/rules/traffic-window.js';

const random = new SeededRandom(7);
const tenths = (count: number) => Float64Array.from({ length: count }, () => Math.floor(random.next() * 5) / 10 + 0.1);
const profile: ReferenceProfile = {
  features: {
    rating: buildNumericReference(tenths(5_000)),
    fee: buildNumericReference(new Float64Array(5_000).fill(19.99)),
    origin: buildCategoricalReference(Array.from({ length: 5_000 }, (_, i) => (i % 3 === 0 ? null : 'SFO'))),
  },
  prediction: buildPredictionReference(tenths(5_000)),
};

describe('logged traffic as a window', () => {
  it('shows no drift when only single precision differs', () => {
    const log = Array.from({ length: 400 }, (_, i) => ({
      rows: 1,
      inputs: { rating: [Math.fround(tenths(1)[0]!)], fee: [Math.fround(19.99)], origin: [i % 3 === 0 ? '' : 'SFO'] },
      scores: [tenths(1)[0]!],
    }));
    const { features } = compareWindow(profile, toTrafficWindow(log, profile));
    expect(features.map(({ feature, drifted }) => ({ feature, drifted }))).toEqual([
      { feature: 'rating', drifted: false },
      { feature: 'fee', drifted: false },
      { feature: 'origin', drifted: false },
    ]);
    for (const { psi, pValue } of features) {
      expect(psi).toBeLessThan(0.1);
      expect(pValue).toBeGreaterThan(0.01);
    }
  });

  it('treats absent columns, short ones and values of other kinds as missing', () => {
    const log: LoggedRequest[] = [
      { rows: 3, inputs: { rating: [1, null, 'x'], origin: ['SFO'] }, scores: [0.5, null, 0.25] },
      { rows: 1, inputs: { fee: [true], origin: [7] }, scores: [1] },
    ];
    const { features, scores } = toTrafficWindow(log, profile);
    expect(features['rating']).toEqual(Float64Array.of(1, NaN, NaN, NaN));
    expect(features['fee']).toEqual(Float64Array.of(NaN, NaN, NaN, 1));
    expect(features['origin']).toEqual(['SFO', null, null, '7']);
    expect(scores).toEqual(Float64Array.of(0.5, NaN, 0.25, 1));
  });

  it('has no feature that the log leaves out, so that redaction is no drift', () => {
    const log: LoggedRequest[] = [
      { rows: 1, inputs: { rating: [1], fee: [2] }, scores: [1] },
      { rows: 1, inputs: { rating: [2] }, scores: [1] },
    ];
    const { features } = toTrafficWindow(log, profile, ['fee']);
    expect(Object.keys(features)).toEqual(['rating']);
    expect(compareWindow(profile, { features, scores: Float64Array.of(1, 1) }).features).toHaveLength(1);
  });

  it('gives no signal for a part without a result, and counts no request twice', () => {
    expect(windowSignals({ traffic: null, drift: null }, { latencyP95Ms: 50, maxErrorRate: 0.01 })).toEqual([]);
    const traffic = { from: '2026-01-01T00:00:00.000Z', requests: 100, errors: 50, latencyP95Ms: 80 };
    expect(
      windowSignals({ traffic, drift: null }, { latencyP95Ms: 50, maxErrorRate: 0.01 }).map(
        ({ kind, verdict }) => `${kind} ${verdict}`,
      ),
    ).toEqual(['LATENCY BREACHED', 'ERROR_RATE BREACHED']);
    const earlier = { requests: 5, errors: 1, latencyCounts: [1, 4] };
    expect(countedSince({ requests: 9, errors: 1, latencyCounts: [2, 6, 1] }, earlier)).toEqual({
      requests: 4,
      errors: 0,
      latencyCounts: [1, 2, 1],
    });
  });
});
