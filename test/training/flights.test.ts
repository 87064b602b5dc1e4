import { beforeAll, expect, it } from 'vitest';
import { loadHoldout } from '../../src/training/holdout.js';
import { tableOf } from '../support/tables.js';
import { ensureBuilt, trainModel, vegaPath } from './support.js';

beforeAll(ensureBuilt, 60_000);

it('learns from earlier flights which later ones will be late', async () => {
  const flights = await tableOf(vegaPath('flights-3m.parquet'), 'PARQUET');
  const startedAt = performance.now();
  const { outcome, config, epochs } = await trainModel(flights, {
    algorithm: 'MLP_CLASSIFIER',
    target: { column: 'delay', greaterThan: 15 },
    features: [
      { column: 'distance', kind: 'NUMERIC' },
      { column: 'date', kind: 'TIMESTAMP' },
      { column: 'origin', kind: 'CATEGORICAL' },
      { column: 'destination', kind: 'CATEGORICAL' },
    ],
    window: { column: 'date', from: '2001-01-01T00:00:00Z', to: '2001-04-16T00:00:00Z' },
    sampleRows: 100_000,
    split: { by: 'TIME', column: 'date', validation: 0.15, holdout: 0.15 },
    hyperparameters: { epochs: 4, batchSize: 256, learningRate: 0.002, maxCategories: 300, hiddenLayers: [32] },
  });
  console.log(
    `flights: 100,000 of 3,000,000 rows, ${epochs.length} epochs, trained in ` +
      `${Math.round(performance.now() - startedAt)} ms`,
  );
  expect(outcome.rows).toEqual({ train: 70_000, validation: 15_000, holdout: 15_000 });
  expect(outcome.metrics['holdout.roc_auc']).toBeGreaterThan(0.6);

  const holdout = await loadHoldout(flights, config, [{ name: 'date', form: 'VALUE' }]);
  const dates = holdout.columns.get('date')!.values as Float64Array;
  expect([...dates].every((date, i) => i === 0 || date >= dates[i - 1]!)).toBe(true);
  expect(dates.at(-1)).toBeLessThan(Date.UTC(2001, 3, 16));
  const target = holdout.target!;
  if (target.kind !== 'CLASSES') throw new Error('A class target was asked for.');
  const delays = holdout.columns.get('delay')!.values as Float64Array;
  expect([...target.labels]).toEqual(Array.from(delays, (delay) => (delay > 15 ? 1 : 0)));
  const late = target.labels.reduce((sum, label) => sum + label, 0) / holdout.rowCount;
  // The holdout's own base rate: even a model that knew it in advance could not be better with it alone.
  const baseRateLoss = -(late * Math.log(late) + (1 - late) * Math.log(1 - late));
  expect(outcome.metrics['holdout.log_loss']).toBeLessThan(baseRateLoss);
});
