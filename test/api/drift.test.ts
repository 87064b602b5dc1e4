import { afterAll, beforeAll, expect, it } from 'vitest';
import { preview, readColumns } from '../../src/adapters/dataset-files/dataset-reader.js';
import { parquetTable } from '../support/tables.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createExperiment, registerDataset, startTraining, trainingEnd, vegaPath } from '../support/training.js';
import { mutate } from '../support/tracking.js';
import {
  AlertEventsDetailsDocument,
  CreateEndpointDetailsDocument,
  CreateModelIdDocument,
  DeployModelVersionDetailsDocument,
  MonitoringWindowsDetailsDocument,
  WorldDeploymentStatusDocument,
  WorldModelVersionStatusDocument,
  WorldPredictDocument,
  WorldRegisterModelVersionDocument,
} from '../generated/operations.js';

const FLIGHTS = vegaPath('flights-3m.parquet');
const WEST = new Set(['HNL', 'OGG', 'ANC', 'LIH', 'KOA', 'SEA', 'PDX', 'SJC', 'OAK', 'SAN', 'SMF']);

interface Flight {
  date: number;
  distance: number;
  origin: string;
}

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService({ MONITORING_INTERVAL_MS: '200', MONITORING_MIN_ROWS: '400' });
  tess = await service.as();
});
afterAll(() => service?.close());

/** Flights of April, in random order. */
async function april(): Promise<Flight[]> {
  const window = { column: 'date', from: '2001-04-01T00:00:00.000Z', to: '2001-05-01T00:00:00.000Z' };
  const { columns, rowCount } = await readColumns(await parquetTable(FLIGHTS), {
    columns: ['date', 'distance', 'origin'],
    window,
    sample: { rows: 20_000, seed: 5 },
  });
  const [date, distance, origin] = columns;
  const flights = Array.from({ length: rowCount }, (_, row) => ({
    date: date!.values[row] as number,
    distance: distance!.values[row] as number,
    origin: origin!.values[row] as string,
  }));
  // A step that shares no factor with the count visits each row once.
  return flights.map((_, i) => flights[(i * 7_919) % flights.length]!);
}

async function predict(endpointId: string, flights: readonly Flight[]): Promise<void> {
  for (let at = 0; at < flights.length; at += 50) {
    const rows = flights.slice(at, at + 50);
    await mutate(tess, WorldPredictDocument, { endpointId, rows });
  }
}

async function windows(deploymentId: string) {
  const { monitoringWindows } = await tess.ok(MonitoringWindowsDetailsDocument, { deploymentId });
  return monitoringWindows.nodes.filter(({ drift }) => drift !== null);
}

it(
  'a model trained and served here is watched by itself: quiet on April flights, an alert on those of other ' +
    'airports',
  async () => {
    expect(Object.keys((await preview(await parquetTable(FLIGHTS), 1))[0]!)).toEqual(
      expect.arrayContaining(['date', 'distance', 'origin', 'delay']),
    );
    const datasetId = await registerDataset(tess, { name: 'flights', path: FLIGHTS });
    const { jobId, runId } = await startTraining(tess, {
      experimentId: await createExperiment(tess),
      datasetId,
      config: {
        algorithm: 'LOGISTIC_REGRESSION',
        target: { column: 'delay', greaterThan: 15 },
        features: [
          { column: 'date', kind: 'TIMESTAMP' },
          { column: 'distance', kind: 'NUMERIC' },
          { column: 'origin', kind: 'CATEGORICAL' },
        ],
        window: { column: 'date', from: '2001-01-01T00:00:00.000Z', to: '2001-04-01T00:00:00.000Z' },
        split: { by: 'TIME', column: 'date', validation: 0.1, holdout: 0.4 },
        sampleRows: 60_000,
        hyperparameters: { epochs: 3, maxCategories: 300 },
      },
    });
    await trainingEnd(tess, jobId);
    const { model } = await mutate(tess, CreateModelIdDocument, {
      name: 'late',
      task: 'CLASSIFICATION',
      modelType: 'LOGISTIC_REGRESSION',
    });
    const { modelVersion } = await mutate(tess, WorldRegisterModelVersionDocument, { modelId: model.id, runId });
    const storedAs = async () => (await tess.ok(WorldModelVersionStatusDocument, modelVersion)).modelVersion.status;
    await expect.poll(storedAs, { timeout: 20_000 }).toBe('READY');
    const { endpoint } = await mutate(tess, CreateEndpointDetailsDocument, {
      name: 'late',
      modelId: model.id,
      slaLatencyP95Ms: 60_000,
    });
    const { deployment } = await mutate(tess, DeployModelVersionDetailsDocument, {
      endpointId: endpoint.id,
      modelVersionId: modelVersion.id,
      mode: 'LIVE',
    });
    const deployedAs = async () =>
      (await tess.ok(WorldDeploymentStatusDocument, { id: deployment.id })).deployment.status;
    await expect.poll(deployedAs, { timeout: 20_000 }).toBe('READY');

    const flights = await april();
    const alerts = tess.collect(
      AlertEventsDetailsDocument,
      { modelId: model.id, after: 0 },
      (items) => items.some(({ change }) => change === 'RESOLVED'),
      60_000,
    );
    /** Sends flights, and waits until all of them have been analysed. */
    const analyse = async (rows: readonly Flight[]) => {
      const before = (await windows(deployment.id)).reduce((sum, { drift }) => sum + drift!.rows, 0);
      await predict(endpoint.id, rows);
      await expect
        .poll(async () => (await windows(deployment.id)).reduce((sum, { drift }) => sum + drift!.rows, 0), {
          timeout: 20_000,
        })
        .toBe(before + rows.length);
    };
    await analyse(flights.slice(0, 400));
    await analyse(flights.slice(400, 800));
    const quiet = await windows(deployment.id);
    expect(
      quiet.flatMap(({ drift }) => drift!.features.filter(({ drifted }) => drifted)),
      JSON.stringify(quiet),
    ).toEqual([]);
    expect(quiet[0]!.drift!.features.map(({ feature }) => feature).toSorted()).toEqual(['distance', 'origin']);

    const west = flights.filter(({ origin }) => WEST.has(origin));
    const sentAt = Date.now();
    await analyse(west.slice(0, 400));
    const noticed = (await windows(deployment.id))[0]!;
    expect(noticed.drift!.features.find(({ feature }) => feature === 'origin')!.drifted).toBe(true);
    for (let at = 800; at < 2_400; at += 400) await analyse(flights.slice(at, at + 400));
    const changes = await alerts;
    const opened = changes.filter(({ change, message }) => change === 'OPENED' && message.includes('origin'));
    expect(opened).toHaveLength(1);
    const quietShifts = quiet.map(({ drift }) => `${drift!.prediction.sigmas.toFixed(1)} σ`).join(', ');
    console.log(
      'flights through predict: origin PSI ' +
        `${noticed.drift!.features.find(({ feature }) => feature === 'origin')!.psi.toFixed(2)}, ` +
        `noticed ${Date.parse(opened[0]!.createdAt) - sentAt} ms after the first such flight; predictions of ` +
        `quiet windows off by ${quietShifts}`,
    );
  },
);
