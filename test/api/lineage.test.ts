import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller, TestService } from '../support/service.js';
import { startTestService } from '../support/service.js';
import { TrafficWriter } from '../support/traffic.js';
import { registerDataset, trainingEnd, vegaPath } from '../support/training.js';
import { World } from '../support/world.js';
import { JobDocument, SetRetrainingPolicyDocument } from '../../schema/generated/operations.js';
import {
  LineageDetailsDocument,
  LogRunDatasetsDetailsDocument,
  PredictDetailsDocument,
  ResolveAlertDetailsDocument,
  type LineageInput,
  type DatasetDirection,
  type LoggedDatasetInput,
} from '../generated/operations.js';

let service: TestService;
let traffic: TrafficWriter;
let world: World;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService({ MONITORING_INTERVAL_MS: '3600000' });
  traffic = await TrafficWriter.connect(service.database.url);
  // Trained on cars, registered, promoted, deployed, evaluated, used for batch inference, with an alert.
  world = await World.create(service, traffic, 'acme');
  tess = world.caller;
});
afterAll(async () => {
  await world?.close();
  await traffic?.end();
  await service?.close();
});

interface Graph {
  start: { key: string };
  nodes: {
    key: string;
    id: string;
    type: string;
    name: string;
    status: string | null;
    distance: number;
    createdAt: string;
    properties: { key: string; value: string }[];
  }[];
  edges: { from: string; to: string; kind: string }[];
  isCut: boolean;
}

async function lineageOf(input: LineageInput): Promise<Graph> {
  return (await tess.ok(LineageDetailsDocument, { input })).lineage;
}

const shown = ({ edges }: Graph): string[] => edges.map(({ from, to, kind }) => `${from} ${kind} ${to}`);

async function logDatasets(runId: string, direction: DatasetDirection, datasets: LoggedDatasetInput[]): Promise<void> {
  await tess.ok(LogRunDatasetsDetailsDocument, {
    input: { runId, datasets: datasets.map((dataset) => ({ direction, ...dataset })) },
  });
}

describe('lineage', () => {
  it('leads from the data of a training to the deployments and predictions of its model', async () => {
    const { datasetId, runId, jobId, versionId, deploymentId, endpointId, batchJobId, alertId } = world.things;
    const batchStatus = async () => (await tess.ok(JobDocument, { id: batchJobId })).job.status;
    await expect.poll(batchStatus, { timeout: 20_000 }).toBe('SUCCEEDED');
    await tess.ok(PredictDetailsDocument, {
      input: {
        endpointId,
        rows: [{ Horsepower: 130, Weight_in_lbs: 3504, Origin: 'USA', Year: '1970-01-01T00:00:00.000Z' }],
      },
    });
    const down = async () => lineageOf({ id: datasetId, type: 'DATASET', direction: 'DOWNSTREAM' });
    await expect
      .poll(async () => (await down()).nodes.some(({ type }) => type === 'PREDICTION_LOG'), { timeout: 20_000 })
      .toBe(true);
    const graph = await down();
    const links = shown(graph);
    for (const link of [
      `DATASET:${datasetId} INPUT RUN:${runId}`,
      `DATASET:${datasetId} INPUT JOB:${jobId}`,
      `JOB:${jobId} RAN RUN:${runId}`,
      `RUN:${runId} REGISTERED_AS MODEL_VERSION:${versionId}`,
      `MODEL_VERSION:${versionId} DEPLOYED_AS DEPLOYMENT:${deploymentId}`,
      `DEPLOYMENT:${deploymentId} SERVED_AT ENDPOINT:${endpointId}`,
      `DEPLOYMENT:${deploymentId} LOGGED PREDICTION_LOG:${deploymentId}`,
      `DEPLOYMENT:${deploymentId} RAISED ALERT:${alertId}`,
      `MODEL_VERSION:${versionId} INPUT JOB:${batchJobId}`,
      `DATASET:${datasetId} INPUT JOB:${batchJobId}`,
    ])
      expect(links).toContain(link);
    const output = graph.edges.find(({ from, kind }) => from === `JOB:${batchJobId}` && kind === 'OUTPUT')!;
    const nodes = new Map(graph.nodes.map((node) => [node.key, node]));
    expect(nodes.get(output.to)).toMatchObject({ type: 'ARTIFACT', name: 'predictions.parquet' });
    expect(nodes.get(`DATASET:${datasetId}`)).toMatchObject({ name: 'cars v1', distance: 0 });
    expect(nodes.get(`MODEL_VERSION:${versionId}`)!.properties).toContainEqual({ key: 'stage', value: 'PRODUCTION' });
    expect(nodes.get(`JOB:${batchJobId}`)).toMatchObject({ name: 'batch inference', status: 'SUCCEEDED', distance: 1 });
    expect(nodes.get(`PREDICTION_LOG:${deploymentId}`)!.id).toBe(deploymentId);
    expect(graph.isCut).toBe(false);
    // Both ends of each edge are nodes.
    for (const { from, to } of graph.edges) expect(nodes.has(from) && nodes.has(to)).toBe(true);
    console.log(`lineage of a dataset: ${graph.nodes.length} nodes, ${graph.edges.length} edges`);
  });

  it('leads back from predictions, files and endpoints to the data', async () => {
    const { datasetId, runId, deploymentId, endpointId, batchJobId } = world.things;
    const down = await lineageOf({ id: batchJobId, type: 'JOB', direction: 'DOWNSTREAM', depth: 1 });
    const file = down.nodes.find(({ type }) => type === 'ARTIFACT')!;
    for (const [id, type] of [
      [deploymentId, 'PREDICTION_LOG'],
      [endpointId, 'ENDPOINT'],
      [file.id, 'ARTIFACT'],
    ] as const) {
      const { nodes } = await lineageOf({ id, type, direction: 'UPSTREAM' });
      expect(nodes.map(({ key }) => key)).toContain(`DATASET:${datasetId}`);
      expect(nodes.map(({ key }) => key)).toContain(`RUN:${runId}`);
      expect(nodes.every(({ distance }) => distance <= 0)).toBe(true);
    }
  });

  it('goes in both directions from the middle, and no farther than requested', async () => {
    const { datasetId, versionId, runId } = world.things;
    const both = await lineageOf({ id: versionId, type: 'MODEL_VERSION' });
    const up = await lineageOf({ id: versionId, type: 'MODEL_VERSION', direction: 'UPSTREAM' });
    const down = await lineageOf({ id: versionId, type: 'MODEL_VERSION', direction: 'DOWNSTREAM' });
    expect(new Set(both.nodes.map(({ key }) => key))).toEqual(
      new Set([...up.nodes, ...down.nodes].map(({ key }) => key)),
    );
    expect(new Set(shown(both))).toEqual(new Set([...shown(up), ...shown(down)]));
    const near = await lineageOf({ id: versionId, type: 'MODEL_VERSION', direction: 'UPSTREAM', depth: 1 });
    expect(near.nodes.map(({ key, distance }) => [key, distance])).toEqual([
      [`MODEL_VERSION:${versionId}`, 0],
      [`RUN:${runId}`, -1],
    ]);
    const two = await lineageOf({ id: versionId, type: 'MODEL_VERSION', direction: 'UPSTREAM', depth: 2 });
    expect(two.nodes.find(({ key }) => key === `DATASET:${datasetId}`)!.distance).toBe(-2);
  });

  it('follows data that clients logged from the run that wrote it to the run that read it', async () => {
    const { datasetId } = world.things;
    const [writer, reader, another] = [await world.newRun(), await world.newRun(), await world.newRun()];
    await logDatasets(writer, 'INPUT', [{ datasetId }]);
    const features = { name: 'features', digest: 'abc', sourceType: 'local', source: '/tmp/features' };
    await logDatasets(writer, 'OUTPUT', [features]);
    await logDatasets(reader, 'INPUT', [features]);
    await logDatasets(another, 'INPUT', [{ ...features, digest: 'another' }]);
    const up = await lineageOf({ id: reader, type: 'RUN', direction: 'UPSTREAM' });
    expect(up.nodes.map(({ type, name, distance }) => [type, name, distance])).toMatchObject([
      ['RUN', expect.anything(), 0],
      ['LOGGED_DATASET', 'features', -1],
      ['RUN', expect.anything(), -2],
      ['LOGGED_DATASET', 'cars', -3],
      ['DATASET', 'cars v1', -4],
    ]);
    expect(up.edges.map(({ kind }) => kind).sort()).toEqual(['INPUT', 'INPUT', 'OUTPUT', 'SAME_DATA']);
    // The rows of both runs are the same node.
    const rows = await traffic.query<{ id: string }>(
      `select id from logged_dataset where name = 'features' and digest = 'abc' order by id`,
      [],
    );
    expect(rows.length).toBe(2);
    for (const { id } of rows) {
      const graph = await lineageOf({ id, type: 'LOGGED_DATASET', depth: 1 });
      expect(graph.start.key).toBe(`LOGGED_DATASET:${rows[0]!.id}`);
      expect(new Set(graph.nodes.slice(1).map(({ key }) => key))).toEqual(new Set([`RUN:${writer}`, `RUN:${reader}`]));
    }
  });

  it('includes the whole cycle of a retraining', async () => {
    const { modelId, deploymentId, versionId } = world.things;
    await tess.ok(ResolveAlertDetailsDocument, { input: { alertId: world.things.alertId, reason: 'next' } });
    await tess.ok(SetRetrainingPolicyDocument, {
      input: { modelId, datasetName: 'cars', alertKinds: ['LATENCY'] },
    });
    const fresh = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
    const alertId = await world.newAlert(deploymentId);
    await service.app.context.services.retraining.tick();
    const [job] = await traffic.query<{ id: string; run_id: string }>(
      'select id, run_id from job where alert_id = $1',
      [alertId],
    );
    await trainingEnd(tess, job!.id);
    const find = async () => {
      const { nodes } = await lineageOf({ id: versionId, type: 'MODEL_VERSION', direction: 'DOWNSTREAM' });
      return nodes.filter(({ type, id }) => type === 'MODEL_VERSION' && id !== versionId);
    };
    await expect.poll(async () => (await find()).length, { timeout: 20_000 }).toBe(1);
    const [retrained] = await find();
    const up = await lineageOf({ id: retrained!.id, type: 'MODEL_VERSION', direction: 'UPSTREAM', depth: 10 });
    const links = shown(up);
    for (const link of [
      `ALERT:${alertId} TRIGGERED JOB:${job!.id}`,
      `JOB:${job!.id} RAN RUN:${job!.run_id}`,
      `DATASET:${fresh} INPUT RUN:${job!.run_id}`,
      `DEPLOYMENT:${deploymentId} RAISED ALERT:${alertId}`,
      `MODEL_VERSION:${versionId} DEPLOYED_AS DEPLOYMENT:${deploymentId}`,
    ])
      expect(links).toContain(link);
  });

  it('needs a fixed number of statements, however many objects are linked', async () => {
    const datasetId = await registerDataset(tess, { name: 'many', path: vegaPath('cars.json') });
    const count = async () => {
      service.statements.length = 0;
      const graph = await lineageOf({ id: datasetId, type: 'DATASET', direction: 'DOWNSTREAM', depth: 2 });
      return {
        statements: service.statements.filter((text) => /^\s*\(?select/i.test(text)).length,
        nodes: graph.nodes.length,
        graph,
      };
    };
    const insert = `with r as (insert into run (id, tenant, experiment_id, name, created_by)
        select gen_random_uuid(), 'acme', $2, 'r' || n, 'x' from generate_series(1, $3::int) n returning id)
      insert into run_dataset (id, tenant, run_id, dataset_id, role) select gen_random_uuid(), 'acme', id, $1,
        'TRAINING' from r`;
    await traffic.query(insert, [datasetId, world.things.experimentId, 3]);
    const few = await count();
    await traffic.query(insert, [datasetId, world.things.experimentId, 500]);
    const many = await count();
    expect([few.nodes, many.nodes]).toEqual([4, 504]);
    expect(many.statements).toBe(few.statements);
    await traffic.query(insert, [datasetId, world.things.experimentId, 700]);
    const startedMs = performance.now();
    const cut = await count();
    console.log(`lineage of 1,000 nodes: ${(performance.now() - startedMs).toFixed(0)} ms, ${cut.statements} reads`);
    expect([cut.nodes, cut.graph.isCut]).toEqual([1000, true]);
    expect(cut.graph.edges.length).toBe(999);
  });

  it('contains only what exists', async () => {
    const { runId } = world.things;
    const refused = async (input: object) => (await tess.fails(LineageDetailsDocument, { input })).extensions;
    expect((await refused({ id: runId, type: 'DATASET' })).code).toBe('NOT_FOUND');
    expect((await refused({ id: runId, type: 'PREDICTION_LOG' })).code).toBe('NOT_FOUND');
    expect(await refused({ id: runId, type: 'RUN', depth: 11 })).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.depth',
    });
    const stranger = await service.as({ tenant: 'other' });
    const types = [
      'DATASET',
      'RUN',
      'MODEL_VERSION',
      'JOB',
      'DEPLOYMENT',
      'ENDPOINT',
      'PREDICTION_LOG',
      'ALERT',
      'LOGGED_DATASET',
      'ARTIFACT',
    ];
    const { datasetId, versionId, batchJobId, deploymentId, endpointId, alertId } = world.things;
    const ids = [
      datasetId,
      runId,
      versionId,
      batchJobId,
      deploymentId,
      endpointId,
      deploymentId,
      alertId,
      runId,
      runId,
    ];
    for (const [i, type] of types.entries()) {
      const error = await stranger.fails(LineageDetailsDocument, { input: { id: ids[i], type } });
      expect(error.extensions.code).toBe('NOT_FOUND');
    }
  });
});
