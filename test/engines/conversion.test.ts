import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { registerDataset, vegaPath } from '../support/training.js';
import { engine } from './engines.js';
import { runPython } from './mlflow/python.js';
import { CreateEndpointDocument } from '../../schema/generated/operations.js';
import {
  ConvertModelVersionDetailsDocument,
  DeployModelVersionDetailsDocument,
  DeploymentDetailsDocument,
  JobsDetailsDocument,
  ModelVersionDetailsDocument,
  ModelsForConversionDocument,
  type ModelsForConversionQuery,
  PredictDetailsDocument,
  SetModelAliasDetailsDocument,
  EndpointFollowProblemDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let script: Script;

interface Script {
  answers: Record<string, number[] | number[][]>;
  rows: { iris: number[][]; diabetes: number[][]; cars: Record<string, number | string>[] };
  columns: { iris: string[]; diabetes: string[] };
}

type Version = ModelsForConversionQuery['models']['nodes'][number]['versions']['nodes'][number];

beforeAll(async () => {
  service = await startTestService({ PYTHON_PATH: engine('MATIH_PYTHON') });
  tess = await service.as();
  script = await runPython<Script>('conversion_script.py', {
    MLFLOW_TRACKING_URI: service.url,
    MLFLOW_TRACKING_TOKEN: tess.token,
    CARS_FILE: vegaPath('cars.json'),
    DATA_DIR_OF_SERVICE: service.app.context.config.DATA_DIR,
  });
}, 120_000);
afterAll(() => service?.close());

/** The newest version of a model, after its conversions have ended. */
async function converted(name: string): Promise<Version> {
  for (
    const deadline = Date.now() + 90_000;
    Date.now() < deadline;
    await new Promise((resolve) => setTimeout(resolve, 200))
  ) {
    const { models } = await tess.ok(ModelsForConversionDocument, { filter: { search: name } });
    const version = models.nodes.find((model) => model.name === name)!.versions.nodes[0]!;
    const { jobs } = await tess.ok(JobsDetailsDocument, { filter: { modelVersionId: version.id, kind: 'CONVERSION' } });
    if (jobs.nodes.length > 0 && jobs.nodes.every(({ status }) => status === 'SUCCEEDED' || status === 'FAILED'))
      return version;
  }
  throw new Error(`The conversion of ${name} did not end.`);
}

/** The answer of an endpoint with the version. */
async function predict(version: Version, name: string, rows: object[]): Promise<{ name: string; data: number[] }[]> {
  const { modelVersion } = await tess.ok(ModelVersionDetailsDocument, { id: version.id });
  const { createEndpoint } = await tess.ok(CreateEndpointDocument, { input: { name, modelId: modelVersion.model.id } });
  const endpointId = createEndpoint.endpoint.id;
  const { deployModelVersion } = await tess.ok(DeployModelVersionDetailsDocument, {
    input: { endpointId, modelVersionId: version.id, mode: 'LIVE' },
  });
  const { id } = deployModelVersion.deployment;
  await expect
    .poll(
      async () =>
        (
          await tess.ok(DeploymentDetailsDocument, {
            id,
          })
        ).deployment.status,
      { timeout: 20_000 },
    )
    .toBe('READY');
  const { predict: answer } = await tess.ok(PredictDetailsDocument, { input: { endpointId, rows } });
  return answer.outputs.map((output) => ({ name: output.name, data: output.data as number[] }));
}

/** An endpoint that follows an alias of the version, which cannot be deployed yet. */
async function followedBy(version: Version, name: string): Promise<string> {
  const { modelVersion } = await tess.ok(ModelVersionDetailsDocument, { id: version.id });
  const modelId = modelVersion.model.id;
  await tess.ok(SetModelAliasDetailsDocument, {
    input: { modelId, modelVersionId: version.id, alias: 'champion' },
  });
  const { createEndpoint } = await tess.ok(CreateEndpointDocument, {
    input: { name, modelId, followAlias: 'champion' },
  });
  expect(await problemOf(createEndpoint.endpoint.id)).toContain('has no model.onnx');
  return createEndpoint.endpoint.id;
}

async function problemOf(endpointId: string): Promise<string | null> {
  return (await tess.ok(EndpointFollowProblemDocument, { id: endpointId })).endpoint.followProblem;
}

const expectClose = (got: number[], wanted: number[]) => {
  expect(got).toHaveLength(wanted.length);
  for (const [i, value] of got.entries())
    expect(Math.abs(value - wanted[i]!)).toBeLessThanOrEqual(1e-4 * Math.max(1, Math.abs(wanted[i]!)));
};

it.each([
  ['logistic', 'sklearn', 'skl2onnx', 'iris'],
  ['boosted', 'xgboost', 'onnxmltools', 'diabetes'],
  ['light', 'lightgbm', 'onnxmltools', 'iris'],
] as const)(
  '%s gets a model.onnx with the same answers, also when deployed',
  async (name, framework, converter, rows) => {
    const version = await converted(name);
    expect(version).toMatchObject({
      status: 'READY',
      framework,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      conversion: { state: 'CONVERTED', problem: null, sampleRows: 20, sampleSource: 'INPUT_EXAMPLE' },
    });
    expect(version.conversion!.converter).toContain(converter);
    expect(version.conversion!.maxScaledDiff).toBeLessThanOrEqual(1e-4);
    expect(version.artifacts.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['model.onnx', 'requirements.txt', 'model_card.md']),
    );
    const [input] = version.signature!.inputs;
    // A conversion to one matrix keeps the names of the columns and of the classes.
    const columns = script.columns[rows];
    expect(input!.columns!.map((column) => column.name)).toEqual(columns);
    expect(version.signature!.classes).toEqual(rows === 'iris' ? ['0', '1', '2'] : null);
    const sample = script.rows[rows];
    const outputs = await predict(
      version,
      name,
      sample.map((row) => ({ [input!.name]: row })),
    );
    expectClose(outputs.at(-1)!.data, script.answers[name]!.flat());
    const named = sample.map((row) => Object.fromEntries(row.map((value, i) => [columns[i]!, value])));
    expect(await predict(version, `${name}-named`, named)).toEqual(outputs);
  },
);

it(
  'a model of named columns says that it needs a sample, and is converted with a dataset, and who waited for ' +
    'it serves it',
  async () => {
    const first = await converted('cars');
    expect(first.conversion).toMatchObject({
      state: 'NEEDS_SAMPLE',
      problem: expect.stringContaining('sampleDatasetId'),
    });
    const endpointId = await followedBy(first, 'waits-for-cars');
    const datasetId = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
    await tess.ok(ConvertModelVersionDetailsDocument, {
      input: { modelVersionId: first.id, sampleDatasetId: datasetId },
    });
    const version = await converted('cars');
    expect(version.conversion).toMatchObject({ state: 'CONVERTED', problem: null, sampleSource: 'DATASET' });
    expect(version.signature!.inputs.map(({ name }) => name)).toEqual(['Horsepower', 'Weight_in_lbs', 'Origin']);
    const rows = script.rows.cars.map(({ Horsepower, Weight_in_lbs, Origin }) => ({
      Horsepower,
      Weight_in_lbs,
      Origin,
    }));
    expectClose((await predict(version, 'cars', rows))[0]!.data, script.answers['cars'] as number[]);
    await expect.poll(() => problemOf(endpointId), { timeout: 20_000 }).toBeNull();
  },
);

it('a model that fails for unknown categories is not served, and its state says why', async () => {
  const version = await converted('strict');
  expect(version).toMatchObject({
    sha256: null,
    conversion: { state: 'FAILED', problem: expect.stringContaining('handle_unknown') },
  });
});

it('a hostile pickle finds nothing to steal, and its version says that the conversion failed', async () => {
  const version = await converted('hostile');
  expect(version).toMatchObject({ status: 'READY', sha256: null, conversion: { state: 'FAILED' } });
  expect(version.conversion!.problem).toContain("{'secrets': [], 'data': False, 'processes': False}");
});

it('a version with a model.onnx is not converted again', async () => {
  const { id } = await converted('logistic');
  expect(await tess.fails(ConvertModelVersionDetailsDocument, { input: { modelVersionId: id } })).toMatchObject({
    extensions: { code: 'CONFLICT' },
  });
});
