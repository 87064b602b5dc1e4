import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestService, type Caller, type TestService } from '../../support/service.js';
import { createExperiment, registerDataset, startTraining, trainingEnd, vegaPath } from '../../support/training.js';
import type { StartTrainingInput } from '../../generated/operations.js';
import { LATE_FLIGHTS } from './config.js';
import { expectFolds } from './folds.js';
import { freePort, RayHead } from './head.js';

let head: RayHead;
let service: TestService;
let tess: Caller;
let experimentId: string;
beforeAll(async () => {
  head = await RayHead.start();
  service = await startTestService(head.settings(await freePort()));
  tess = await service.as();
  experimentId = await createExperiment(tess);
}, 330_000);
afterAll(async () => {
  await service?.close();
  await head?.close();
});

async function trained(input: Omit<StartTrainingInput, 'experimentId' | 'backend'>) {
  const { jobId } = await startTraining(tess, { ...input, experimentId, backend: 'RAY' });
  return (await trainingEnd(tess, jobId, 'SUCCEEDED', 300_000)).result!;
}

it('XGBoost trains one model over the rows of two workers, as good as that of one', async () => {
  const datasetId = await registerDataset(tess, { name: 'flights', path: vegaPath('flights-20k.json') });
  const one = await trained({ datasetId, config: LATE_FLIGHTS });
  const two = await trained({ datasetId, config: LATE_FLIGHTS, workers: 2 });
  const [alone, together] = [one, two].map(({ metrics }) => metrics['holdout.roc_auc']!);
  console.log(`XGBoost, holdout AUC: one worker ${alone!.toFixed(4)}, two workers ${together!.toFixed(4)}`);
  expect(alone).toBeGreaterThan(0.6);
  expect(Math.abs(together! - alone!)).toBeLessThanOrEqual(0.002);
  for (const { agreementMaxAbsDiff } of [one, two]) expect(agreementMaxAbsDiff).toBeLessThanOrEqual(1e-4);
}, 600_000);

it('measures folds, weighs rows and trains once more on all of them, with the folds of our own trainers', async () => {
  const datasetId = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
  await expectFolds(tess, { experimentId, datasetId }, 'RAY');
}, 600_000);
