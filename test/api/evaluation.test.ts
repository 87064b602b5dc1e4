// One file because its tests share one running service, which takes longer to start than most of the tests.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { hangsAbove1000, linear, multilayer } from '../fixtures/models/build.js';
import {
  createModel,
  evaluate,
  forceToProduction,
  jobEnd,
  register,
  registerUpload,
  trainOn,
  trainTumours,
  TUMOUR_CONFIG,
  validate,
} from '../support/registry.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { CARS_CONFIG, fixtureBytes, registerDataset, vegaPath } from '../support/training.js';
import { EvaluationDocument } from '../../schema/generated/operations.js';
import {
  CancelJobDetailsDocument,
  EvaluateModelVersionDetailsDocument,
  EvaluationDetailsDocument,
  EventsDetailsDocument,
  ValidateModelVersionDetailsDocument,
  type TrainingConfigInput,
  ModelVersionForEvaluationDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let admin: Caller;
let tumours: { runId: string; datasetId: string };
let cars: string;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  admin = await service.as({ role: Role.ADMIN, subject: 'ada' });
  tumours = await trainTumours(tess);
  cars = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
});
afterAll(() => service?.close());

interface Metric {
  name: string;
  value: number;
  low: number | null;
  high: number | null;
  baseline: number | null;
}

interface EvaluationView {
  task: string;
  rows: number;
  metrics: Metric[];
  againstBaseRate: {
    metric: string;
    candidate: number;
    reference: number;
    low: number;
    high: number;
    verdict: string;
  } | null;
  againstBaseline: { candidate: number; reference: number; verdict: string } | null;
  confusionMatrix: { classNames: string[]; counts: number[][] } | null;
  calibration: { bins: { rows: number }[]; expectedCalibrationError: number } | null;
  slices: { column: string; value: string | null; rows: number; metrics: { name: string }[] }[];
  baselineVersion: { id: string } | null;
  dataset: { id: string };
  modelVersion: {
    metrics: { name: string; value: number }[];
    gates: GateView[];
    artifacts: { path: string; downloadUrl: string }[];
    evaluations: { id: string }[];
  };
}

interface GateView {
  gate: string;
  passed: boolean;
  checks: { name: string; passed: boolean; expected: string; got: string }[];
}

async function evaluationOf(id: string): Promise<EvaluationView> {
  return (await tess.ok(EvaluationDetailsDocument, { id })).evaluation as EvaluationView;
}

async function gatesOf(id: string): Promise<GateView[]> {
  return (await tess.ok(ModelVersionForEvaluationDocument, { id })).modelVersion.gates;
}

const metricOf = (evaluation: EvaluationView, name: string): Metric =>
  evaluation.metrics.find((metric) => metric.name === name)!;

describe('an evaluation', () => {
  it('rebuilds the training’s holdout, measures the stored file on it, and stores report, gate and page', async () => {
    const modelId = await createModel(tess, { name: 'tumours' });
    const version = await register(tess, { modelId, runId: tumours.runId });
    const job = await evaluate(tess, { modelVersionId: version.id });
    const found = await evaluationOf(job.id);
    expect(found).toMatchObject({
      task: 'CLASSIFICATION',
      rows: 171,
      againstBaseline: null,
      baselineVersion: null,
      dataset: { id: tumours.datasetId },
    });
    // The same rows and the same model as in the training give the same metrics.
    for (const { name, value } of found.modelVersion.metrics) {
      const metric =
        name.startsWith('holdout.') && name !== 'holdout.loss'
          ? metricOf(found, name.slice('holdout.'.length))
          : undefined;
      if (metric) expect(metric.value, name).toBeCloseTo(value, 5);
    }
    const rocAuc = metricOf(found, 'roc_auc');
    expect(rocAuc.low!).toBeLessThan(rocAuc.value);
    expect(rocAuc.high!).toBeGreaterThan(rocAuc.value);
    expect(found.againstBaseRate).toMatchObject({ metric: 'log_loss', verdict: 'BETTER' });
    expect(found.againstBaseRate!.reference).toBeCloseTo(0.66, 1);
    expect(found.confusionMatrix!.classNames).toEqual(['0', '1']);
    expect(found.confusionMatrix!.counts.flat().reduce((sum, count) => sum + count, 0)).toBe(171);
    expect(found.calibration!.bins.reduce((sum, { rows }) => sum + rows, 0)).toBe(171);
    expect(found.modelVersion.gates).toMatchObject([
      { gate: 'EVALUATION', passed: true, checks: [{ name: 'rows' }, { name: 'log_loss_below_baseline' }] },
    ]);
    expect(found.modelVersion.evaluations).toEqual([{ id: job.id }]);
    const page = found.modelVersion.artifacts.find(({ path }) => path === `evaluations/${job.id}.md`)!;
    const text = await (
      await fetch(`${tess.url}${page.downloadUrl}`, { headers: { authorization: `Bearer ${tess.token}` } })
    ).text();
    for (const part of [
      '# Evaluation of tumours, version 1 \\(1.0.0\\)',
      '171 holdout rows',
      'Better than the base rate',
      'ROC-AUC',
      '## Confusion matrix',
      '## Calibration',
    ])
      expect(text).toContain(part);
    const { events } = await tess.ok(EventsDetailsDocument, { filter: { types: ['MODEL_EVALUATED'], modelId } });
    expect(events.nodes).toMatchObject([{ payload: { evaluationId: job.id, passed: true } }]);
  });

  it('compares with the version in production on the same rows', async () => {
    const modelId = await createModel(tess);
    const worse = await trainOn(tess, tumours.datasetId, {
      ...TUMOUR_CONFIG,
      features: [{ column: 'symmetry', kind: 'NUMERIC' }],
      hyperparameters: { epochs: 1 },
    });
    const first = await register(tess, { modelId, runId: worse.runId });
    const second = await register(tess, { modelId, runId: tumours.runId });
    expect((await evaluate(tess, { modelVersionId: first.id })).result).toMatchObject({ passed: false });
    expect((await gatesOf(first.id))[0]!.checks.find(({ passed }) => !passed)!.name).toBe('log_loss_below_baseline');
    await forceToProduction(admin, first.id, null);
    const found = await evaluationOf((await evaluate(tess, { modelVersionId: second.id })).id);
    expect(found.baselineVersion).toEqual({ id: first.id });
    expect(found.againstBaseline).toMatchObject({ verdict: 'BETTER' });
    expect(metricOf(found, 'roc_auc').baseline).toBeLessThan(metricOf(found, 'roc_auc').value);
    const back = await evaluationOf(
      (await evaluate(tess, { modelVersionId: first.id, baselineVersionId: second.id })).id,
    );
    expect(back.againstBaseline).toMatchObject({ verdict: 'WORSE', candidate: expect.any(Number) });
    // The version in production is not compared with itself.
    expect((await evaluationOf((await evaluate(tess, { modelVersionId: first.id })).id)).againstBaseline).toBeNull();
  });

  it('runs without a baseline that cannot answer, unless that baseline was requested', async () => {
    const modelId = await createModel(tess);
    const other = await registerUpload(tess, modelId, linear([1, 1], 0));
    const version = await register(tess, { modelId, runId: tumours.runId });
    await forceToProduction(admin, other.id, null);
    const job = await evaluate(tess, { modelVersionId: version.id });
    expect(job.result).toMatchObject({ passed: true, baselineProblem: expect.stringContaining('x') });
    expect((await evaluationOf(job.id)).againstBaseline).toBeNull();
    const failed = await evaluate(tess, { modelVersionId: version.id, baselineVersionId: other.id }, 'FAILED');
    expect(failed.errorCode).toBe('BAD_USER_INPUT');
  });

  it('measures a regression, with slices by category, and all rows of another dataset', async () => {
    const modelId = await createModel(tess, { task: 'REGRESSION' });
    const { runId } = await trainOn(tess, cars, {
      ...CARS_CONFIG,
      split: { by: 'RATIO', validation: 0.1, holdout: 0.4 },
    });
    const version = await register(tess, { modelId, runId });
    const found = await evaluationOf((await evaluate(tess, { modelVersionId: version.id })).id);
    expect(found).toMatchObject({
      task: 'REGRESSION',
      confusionMatrix: null,
      calibration: null,
      againstBaseRate: { metric: 'rmse' },
    });
    expect(found.metrics.map(({ name }) => name)).toEqual(['rmse', 'mae', 'r2']);
    const whole = await registerDataset(tess, { name: 'cars-again', path: vegaPath('cars.json') });
    const onAll = await evaluationOf((await evaluate(tess, { modelVersionId: version.id, datasetId: whole })).id);
    expect(onAll.rows).toBe(398);
    expect(onAll.dataset).toEqual({ id: whole });
    expect(onAll.slices[0]).toMatchObject({ column: 'Origin', value: 'USA' });
    expect(onAll.slices[0]!.metrics.map(({ name }) => name)).toEqual(['rmse', 'mae', 'r2']);
    const foreign = await tess.fails(EvaluateModelVersionDetailsDocument, {
      input: { modelVersionId: version.id, datasetId: tumours.datasetId },
    });
    expect(foreign.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.datasetId' });
  });

  it('measures clusters by their silhouette, as the training did', async () => {
    const modelId = await createModel(tess, { task: 'CLUSTERING', modelType: 'KMEANS' });
    const { uploadId } = await tess.upload('iris.csv', fixtureBytes('iris.csv'));
    const datasetId = await registerDataset(tess, { name: 'iris', uploadId });
    const features = ['sepal_length', 'sepal_width', 'petal_length', 'petal_width'].map((column) => ({
      column,
      kind: 'NUMERIC' as const,
    }));
    const config: TrainingConfigInput = {
      algorithm: 'KMEANS',
      features,
      split: { by: 'RATIO', validation: 0.1, holdout: 0.5 },
      hyperparameters: { epochs: 10, clusters: 3 },
    };
    const version = await register(tess, { modelId, runId: (await trainOn(tess, datasetId, config)).runId });
    const found = await evaluationOf((await evaluate(tess, { modelVersionId: version.id })).id);
    expect(found).toMatchObject({ task: 'CLUSTERING', rows: 75, againstBaseRate: null, slices: [] });
    for (const name of ['silhouette', 'inertia']) {
      const trained = found.modelVersion.metrics.find((metric) => metric.name === `holdout.${name}`)!.value;
      expect(metricOf(found, name).value, name).toBeCloseTo(trained, 3);
    }
    const again = await registerDataset(tess, { name: 'iris-again', uploadId });
    const onAll = await evaluationOf((await evaluate(tess, { modelVersionId: version.id, datasetId: again })).id);
    expect(onAll.rows).toBe(150);
    expect(metricOf(onAll, 'silhouette').value).toBeCloseTo(metricOf(found, 'silhouette').value, 1);
  });

  it('of an uploaded version needs dataset and target, and its outputs must match them', async () => {
    const modelId = await createModel(tess, { task: 'REGRESSION', modelType: 'LINEAR_REGRESSION' });
    const { uploadId } = await tess.upload(
      'points.csv',
      `x,y\n${Array.from({ length: 300 }, (_, i) => `${i / 10},${i / 5 + 3 + Math.sin(i)}`).join('\n')}\n`,
    );
    const datasetId = await registerDataset(tess, { name: 'points', uploadId });
    const version = await registerUpload(tess, modelId, linear([2], 3));
    expect(
      (
        await tess.fails(EvaluateModelVersionDetailsDocument, {
          input: { modelVersionId: version.id, target: { column: 'y' } },
        })
      ).extensions,
    ).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.datasetId' });
    expect(
      (await tess.fails(EvaluateModelVersionDetailsDocument, { input: { modelVersionId: version.id, datasetId } }))
        .extensions,
    ).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.target',
    });
    const job = await evaluate(tess, { modelVersionId: version.id, datasetId, target: { column: 'y' } });
    const found = await evaluationOf(job.id);
    expect(found.rows).toBe(300);
    expect(metricOf(found, 'rmse').value).toBeCloseTo(0.71, 1);
    expect(await validate(tess, version.id)).toMatchObject({ result: { passed: true, sampleRows: 200 } });
    const unknown = await tess.fails(EvaluateModelVersionDetailsDocument, {
      input: { modelVersionId: version.id, datasetId, target: { column: 'nothing' } },
    });
    expect(unknown.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.target.column' });

    const classes = await createModel(tess);
    const wide = await registerUpload(tess, classes, multilayer([1, 3]));
    const wrong = await evaluate(
      tess,
      { modelVersionId: wide.id, datasetId, target: { column: 'y', greaterThan: 10 } },
      'FAILED',
    );
    expect(wrong).toMatchObject({ errorCode: 'INVALID_TENSOR', errorMessage: expect.stringContaining('2 classes') });
  });

  it('refuses what it cannot measure before a job is created', async () => {
    const modelId = await createModel(tess);
    const version = await register(tess, { modelId, runId: tumours.runId });
    const elsewhere = await register(tess, { modelId: await createModel(tess), runId: tumours.runId });
    const refusals: [Record<string, unknown>, Record<string, string>][] = [
      [{ baselineVersionId: version.id }, { code: 'BAD_USER_INPUT', field: 'input.baselineVersionId' }],
      [{ baselineVersionId: elsewhere.id }, { code: 'BAD_USER_INPUT', field: 'input.baselineVersionId' }],
      [{ baselineVersionId: tumours.runId }, { code: 'NOT_FOUND' }],
      [{ datasetId: tumours.runId }, { code: 'NOT_FOUND' }],
      [{ target: { column: 'target' } }, { code: 'BAD_USER_INPUT', field: 'input.target' }],
    ];
    for (const [input, expected] of refusals)
      expect(
        (await tess.fails(EvaluateModelVersionDetailsDocument, { input: { modelVersionId: version.id, ...input } }))
          .extensions,
      ).toMatchObject(expected);
    const globex = await service.as({ tenant: 'globex' });
    expect(
      (await globex.fails(EvaluateModelVersionDetailsDocument, { input: { modelVersionId: version.id } })).extensions
        .code,
    ).toBe('NOT_FOUND');
    expect(
      (await globex.fails(ValidateModelVersionDetailsDocument, { input: { modelVersionId: version.id } })).extensions
        .code,
    ).toBe('NOT_FOUND');
    const { id } = await evaluate(tess, { modelVersionId: version.id });
    expect((await globex.fails(EvaluationDocument, { id })).extensions.code).toBe('NOT_FOUND');
  });
});

describe('the validation pipeline', () => {
  it('records every check, and a failed one keeps the version in its stage', async () => {
    const modelId = await createModel(tess);
    const version = await register(tess, { modelId, runId: tumours.runId });
    expect(await validate(tess, version.id)).toMatchObject({ result: { passed: true, sampleRows: 200 } });
    const [gate] = await gatesOf(version.id);
    expect(gate).toMatchObject({ gate: 'VALIDATION', passed: true });
    expect(gate!.checks.map(({ name }) => name)).toEqual([
      'signature',
      'sample_predictions',
      'latency_p95_ms',
      'agreement_max_abs_diff',
      'holdout_roc_auc_min',
    ]);
    console.log(`validation: p95 of single-row predictions ${gate!.checks[2]!.got} ms`);
  });

  it('notices a file and a signature that differ from the registered ones', async () => {
    const modelId = await createModel(tess);
    const version = await register(tess, { modelId, runId: tumours.runId });
    const { db, objects } = service.app.context;
    const stored = await db.asSystem((em) =>
      em.execute('select object_key from model_version where id = ?', [version.id]),
    );
    await objects.put((stored as { object_key: string }[])[0]!.object_key, Buffer.from(linear([1, 2], 0)));
    const job = await validate(tess, version.id);
    expect(job.result).toMatchObject({ passed: false, failedChecks: expect.arrayContaining(['signature']) });
    const [gate] = await gatesOf(version.id);
    expect(gate!.checks[0]!.got).toMatch(/SHA-256 .*inputs radius: absent.*inputs x: FP32 \[-1, 2\], not recorded/);
  });

  it('fails for an upload without any holdout metric, and says what to do', async () => {
    const version = await registerUpload(tess, await createModel(tess), linear([1, 2], 0));
    expect((await validate(tess, version.id)).result).toMatchObject({
      passed: false,
      failedChecks: ['holdout_metrics'],
      sampleRows: 200,
    });
  });

  it('is cancelled at once, and ends a model that hangs', async () => {
    const modelId = await createModel(tess, { task: 'REGRESSION' });
    const version = await registerUpload(tess, modelId, hangsAbove1000());
    const { uploadId } = await tess.upload('huge.csv', `x,y\n${'5000,1\n'.repeat(50)}`);
    const datasetId = await registerDataset(tess, { name: 'huge', uploadId });
    const { evaluateModelVersion } = await tess.ok(EvaluateModelVersionDetailsDocument, {
      input: { modelVersionId: version.id, datasetId, target: { column: 'y' } },
    });
    const { id } = evaluateModelVersion.job;
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const startedAt = performance.now();
    await tess.ok(CancelJobDetailsDocument, { input: { jobId: id } });
    await jobEnd(tess, id, 'CANCELLED');
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    // The worker is free for the next job.
    const next = await register(tess, { modelId: await createModel(tess), runId: tumours.runId });
    await validate(tess, next.id);
  });
});
