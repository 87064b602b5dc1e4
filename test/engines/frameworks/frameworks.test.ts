import { afterAll, beforeAll, expect, it } from 'vitest';
import { batchOf, columnsOf } from '../../support/batch.js';
import { evaluate, promote, validate } from '../../support/registry.js';
import { type Caller, startTestService, type TestService } from '../../support/service.js';
import { createEndpoint, deploy } from '../../support/serving.js';
import { registerDataset } from '../../support/training.js';
import { engine } from '../engines.js';
import { runPython } from '../mlflow/python.js';
import {
  ModelsForFrameworksDocument,
  type ModelsForFrameworksQuery,
  PredictForClassNamesDocument,
  UpdateModelDetailsDocument,
  UpdateModelVersionDetailsDocument,
} from '../../generated/operations.js';

let service: TestService;
let tess: Caller;
let datasetId: string;
let script: Script;

interface Row {
  length: number;
  width: number;
  weight: number;
  size: string;
}

interface Script {
  rows: Row[];
  /** The probability of "big", computed by each framework itself. */
  torch: number[];
  keras: number[];
}

type Version = ModelsForFrameworksQuery['models']['nodes'][number]['versions']['nodes'][number];

const COLUMNS = ['length', 'width', 'weight'];
const SCRIPT_MS = 500_000;

beforeAll(async () => {
  service = await startTestService({ PYTHON_PATH: engine('MATIH_PYTHON') });
  tess = await service.as();
  const settings = { MLFLOW_TRACKING_URI: service.url, MLFLOW_TRACKING_TOKEN: tess.token };
  script = await runPython<Script>(new URL('frameworks_script.py', import.meta.url), settings, {
    timeoutMs: SCRIPT_MS,
  });
  const lines = script.rows.map(({ weight, size, width, length }) => [weight, size, width, length].join(','));
  const { uploadId } = await tess.upload('things.csv', Buffer.from(['weight,size,width,length', ...lines].join('\n')));
  datasetId = await registerDataset(tess, { name: 'things', uploadId });
});
afterAll(() => service?.close());

async function converted(name: string): Promise<{ modelId: string; version: Version }> {
  for (
    const deadline = Date.now() + 400_000;
    Date.now() < deadline;
    await new Promise((resolve) => setTimeout(resolve, 500))
  ) {
    const { models } = await tess.ok(ModelsForFrameworksDocument, { filter: { search: name } });
    const [model] = models.nodes;
    const version = model?.versions.nodes[0];
    if (model && version?.conversion) return { modelId: model.id, version };
  }
  throw new Error(`The conversion of ${name} did not end.`);
}

it.each([
  ['traced', 'pytorch', 'torch', false],
  ['pickled', 'pytorch', 'torch', true],
  ['keras', 'tensorflow', 'keras', false],
] as const)(
  'a model %s of %s is converted, gets its columns, is evaluated and promoted, and answers like the original',
  async (name, framework, own, isNamed) => {
    const { modelId, version } = await converted(name);
    expect(version.conversion).toMatchObject({ state: 'CONVERTED', problem: null });
    expect(version.conversion!.maxScaledDiff).toBeLessThanOrEqual(1e-4);
    expect(version.framework).toBe(framework);
    // A signature of columns names them; one of tensors does not.
    expect(version.signature!.inputs[0]!.columns?.map((column) => column.name) ?? null).toEqual(
      isNamed ? COLUMNS : null,
    );
    await tess.ok(UpdateModelDetailsDocument, { input: { id: modelId, task: 'CLASSIFICATION' } });
    const { id } = version;
    await tess.ok(UpdateModelVersionDetailsDocument, {
      input: { id, classes: ['small', 'big'], ...(!isNamed && { inputColumns: [{ columns: COLUMNS }] }) },
    });
    const evaluated = await evaluate(tess, { modelVersionId: id, datasetId, target: { column: 'size' } });
    expect(evaluated.result).toMatchObject({ passed: true, rows: 400 });
    await validate(tess, id);
    await promote(tess, id, 'STAGING');
    await promote(tess, id, 'PRODUCTION');

    const { id: endpointId } = await createEndpoint(tess, { modelId });
    await deploy(tess, { endpointId, modelVersionId: id });
    const rows = script.rows.map(({ length, width, weight }) => ({ width, length, weight }));
    const { predict } = await tess.ok(PredictForClassNamesDocument, { input: { endpointId, rows } });
    for (const [i, { label, probabilityByClass }] of predict.predictions.entries()) {
      const big = probabilityByClass!.find((entry) => entry.label === 'big')!.probability;
      expect(Math.abs(big - script[own][i]!)).toBeLessThan(1e-4);
      expect(label).toBe(big > 0.5 ? 'big' : 'small');
    }
    const result = await columnsOf(service, tess, await batchOf(tess, { modelVersionId: id, datasetId }));
    expect(result['prediction_label']).toEqual(predict.predictions.map(({ label }) => label));
  },
);
