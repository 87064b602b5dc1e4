import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batchOf, columnsOf } from '../support/batch.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy, PREDICT } from '../support/serving.js';
import { createExperiment, registerDataset, startTraining, trainingEnd } from '../support/training.js';

// What a column means is recorded once, when a model is trained on it: online, batch and monitoring read it so.

let service: TestService;
let tess: Caller;
let experimentId: string;

beforeAll(async () => {
  service = await startTestService({ MONITORING_MIN_ROWS: '200' });
  tess = await service.as();
  experimentId = await createExperiment(tess);
});
afterAll(() => service?.close());

type Cell = string | null;

/** A CSV file: every text in quotes that needs them, an empty field for null. */
function csv(columns: Record<string, readonly Cell[]>): string {
  const names = Object.keys(columns);
  const field = (text: Cell): string => (text === null ? '' : /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = columns[names[0]!]!.map((_, row) => names.map((name) => field(columns[name]![row]!)).join(','));
  return [names.map(field).join(','), ...rows].join('\n');
}

let made = 0;

async function dataset(columns: Record<string, readonly Cell[]>): Promise<string> {
  const { uploadId } = await tess.upload('table.csv', csv(columns));
  return registerDataset(tess, { name: `table-${++made}`, uploadId });
}

interface Served {
  datasetId: string;
  modelVersionId: string;
  endpointId: string;
  deploymentId: string;
}

/** Trains on the columns but the target, registers and serves. */
async function serve(
  columns: Record<string, readonly Cell[]>,
  features: { column: string; kind: string }[],
  settings: Record<string, unknown> = {},
): Promise<Served> {
  const datasetId = await dataset(columns);
  const { runId, jobId } = await startTraining(tess, {
    experimentId,
    datasetId,
    config: {
      modelType: 'LOGISTIC_REGRESSION',
      target: { column: 'target' },
      features,
      split: { by: 'RATIO', validation: 0.1, holdout: 0.1 },
      seed: 3,
    },
  });
  await trainingEnd(tess, jobId);
  const { createModel } = await tess.ok<{ createModel: { model: { id: string } } }>(
    'mutation ($input: CreateModelInput!) { createModel(input: $input) { model { id } } }',
    { input: { name: `model-${made}`, task: 'CLASSIFICATION', modelType: 'LOGISTIC_REGRESSION' } },
  );
  const modelId = createModel.model.id;
  const { registerModelVersion } = await tess.ok<{ registerModelVersion: { modelVersion: { id: string } } }>(
    'mutation ($input: RegisterModelVersionInput!) { registerModelVersion(input: $input) { modelVersion { id } } }',
    { input: { modelId, runId } },
  );
  const modelVersionId = registerModelVersion.modelVersion.id;
  const { id: endpointId } = await createEndpoint(tess, { modelId, ...settings });
  return { datasetId, modelVersionId, endpointId, deploymentId: await deploy(tess, { endpointId, modelVersionId }) };
}

interface Answer {
  unknownCategories: { row: number; column: string; value: string }[];
  unknownCategoryCount: number;
  predictions: { label: string; probabilities: number[] }[];
}

const ASK = `mutation ($input: PredictInput!) { predict(input: $input) {
  unknownCategories { row column value } unknownCategoryCount predictions { label probabilities } } }`;

const ask = async (endpointId: string, rows: Record<string, unknown>[]): Promise<Answer> =>
  (await tess.ok<{ predict: Answer }>(ASK, { input: { endpointId, rows } })).predict;

/** Row objects of these columns. */
const rowsOf = (columns: Record<string, readonly unknown[]>): Record<string, unknown>[] =>
  Object.values(columns)[0]!.map((_, row) => Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[row]])));

const featuresOf = <T>(columns: Record<string, T>): Record<string, T> =>
  Object.fromEntries(Object.entries(columns).filter(([name]) => name !== 'target'));

const CATEGORY = 'CATEGORICAL';

describe('a category that the model never saw', () => {
  const city = ['Ulm', 'Köln', 'ulm', '__proto__', null] as const;
  const table = (rows: number): Record<string, Cell[]> => ({
    constructor: Array.from({ length: rows }, (_, i) => city[i % 5]!),
    ['__proto__']: Array.from({ length: rows }, (_, i) => (i % 3 === 0 ? 'x' : 'y')),
    target: Array.from({ length: rows }, (_, i) => (i % 5 < 2 ? 'near' : 'far')),
  });
  const features = [
    { column: 'constructor', kind: CATEGORY },
    { column: '__proto__', kind: CATEGORY },
  ];

  it('is told online, in batch and in monitoring, and refused where the endpoint says so; columns may be named like members of objects', async () => {
    const { modelVersionId, endpointId, deploymentId } = await serve(table(300), features);
    const rows = [
      { constructor: 'Ulm', ['__proto__']: 'x' },
      { constructor: 'Bonn', ['__proto__']: 'z' },
      { constructor: null, ['__proto__']: 'y' },
      { constructor: '', ['__proto__']: 'X' },
    ];
    const answer = await ask(endpointId, rows);
    expect(answer.predictions.map(({ label }) => label).slice(0, 1)).toEqual(['near']);
    expect(answer.unknownCategories).toEqual([
      { row: 1, column: 'constructor', value: 'Bonn' },
      { row: 1, column: '__proto__', value: 'z' },
      { row: 3, column: '__proto__', value: 'X' },
    ]);
    expect(answer.unknownCategoryCount).toBe(3);
    const many = await ask(
      endpointId,
      Array.from({ length: 150 }, (_, i) => ({ constructor: `city ${i}`, ['__proto__']: 'x' })),
    );
    expect(many.unknownCategories).toHaveLength(100);
    expect(many.unknownCategoryCount).toBe(150);

    const batched = await dataset({
      constructor: rows.map((row) => row.constructor),
      ['__proto__']: rows.map((row) => row['__proto__']),
    });
    const result = await columnsOf(service, tess, await batchOf(tess, { modelVersionId, datasetId: batched }));
    expect(result['prediction_unknown_columns']).toEqual([null, 'constructor, __proto__', null, '__proto__']);
    expect(result['prediction_label']).toEqual(answer.predictions.map(({ label }) => label));

    for (let i = 0; i < 5; i++) await ask(endpointId, rowsOf(featuresOf(table(40))));
    await service.app.context.services.traffic.flush();
    const { runMonitoring } = await tess.ok<{
      runMonitoring: { window: { drift: { rows: number; features: { feature: string; unknownCount: number; drifted: boolean }[] } } };
    }>(
      `mutation ($id: ID!) { runMonitoring(input: { deploymentId: $id }) { window { drift { rows features { feature unknownCount drifted } } } } }`,
      { id: deploymentId },
    );
    const { rows: compared, features: found } = runMonitoring.window.drift;
    expect(compared).toBe(354);
    expect(Object.fromEntries(found.map(({ feature, unknownCount }) => [feature, unknownCount]))).toEqual(
      Object.fromEntries([
        ['constructor', 151],
        ['__proto__', 2],
      ]),
    );

    const policy = async (unknownCategories: string) =>
      tess.ok('mutation ($input: UpdateEndpointInput!) { updateEndpoint(input: $input) { endpoint { unknownCategories } } }', {
        input: { id: endpointId, unknownCategories },
      });
    expect(await policy('REFUSE')).toEqual({ updateEndpoint: { endpoint: { unknownCategories: 'REFUSE' } } });
    await expect
      .poll(async () => (await tess.send(PREDICT, { input: { endpointId, rows } })).errors?.[0]?.extensions, { timeout: 5_000 })
      .toMatchObject({ code: 'INVALID_TENSOR', field: 'rows[1].constructor', got: '"Bonn"' });
    expect((await ask(endpointId, [rows[0]!, rows[2]!])).unknownCategoryCount).toBe(0);
    await policy('ACCEPT');
    await expect.poll(async () => (await tess.send(PREDICT, { input: { endpointId, rows } })).errors, { timeout: 5_000 }).toBeUndefined();
  });
});

describe('long categories', () => {
  it('are told apart, and the traffic of the training is no drift', async () => {
    const name = (i: number): string => `${'long name '.repeat(30)}${i}`;
    const rows = (count: number): Record<string, string[]> => ({
      c: Array.from({ length: count }, (_, i) => name(i % 6)),
      target: Array.from({ length: count }, (_, i) => (i % 6 < 3 ? 'a' : 'b')),
    });
    const { endpointId, deploymentId } = await serve(rows(300), [{ column: 'c', kind: CATEGORY }]);
    for (let i = 0; i < 4; i++) {
      const answer = await ask(endpointId, rowsOf(featuresOf(rows(60))));
      expect(answer.unknownCategoryCount).toBe(0);
      expect(answer.predictions.map(({ label }) => label)).toEqual(rows(60).target);
    }
    await service.app.context.services.traffic.flush();
    const { runMonitoring } = await tess.ok<{ runMonitoring: { window: { drift: { drifted: boolean; features: object[] } } } }>(
      `mutation ($id: ID!) { runMonitoring(input: { deploymentId: $id }) { window { drift { drifted features { feature psi unknownCount drifted } } } } }`,
      { id: deploymentId },
    );
    expect(runMonitoring.window.drift).toMatchObject({ features: [{ feature: 'c', unknownCount: 0, drifted: false }] });
  });
});
