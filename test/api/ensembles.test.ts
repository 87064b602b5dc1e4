// One file because its tests share one running service and trained members.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CancelJobDocument,
  CreateEnsembleDocument,
  type CreateEnsembleInput,
  EnsembleDocument,
  JobDocument,
  LineageDocument,
} from '../../schema/generated/operations.js';
import {
  ArchiveModelVersionDetailsDocument,
  EnsembleDetailsDocument,
  type TrainingConfigInput,
} from '../generated/operations.js';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import { linearClassifier } from '../fixtures/models/build.js';
import { childPids } from '../support/children.js';
import {
  createModel,
  evaluate,
  jobEnd,
  register,
  registerUpload,
  trainOn,
  TUMOUR_CONFIG,
  validate,
} from '../support/registry.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy, predict } from '../support/serving.js';
import { CARS_CONFIG, fixtureBytes, registerDataset, vegaPath } from '../support/training.js';

const EVALUATION = 'evaluator/evaluation-child.js';
let service: TestService;
let tess: Caller;
let tumours: string;
let cars: string;
let members: { logistic: string; trees: string; network: string };
let carMembers: string[];

const TREES: Partial<TrainingConfigInput> = {
  algorithm: 'BOOSTED_TREES_CLASSIFIER',
  hyperparameters: { epochs: 30, maxLeaves: 7 },
};
const NETWORK: Partial<TrainingConfigInput> = {
  algorithm: 'MLP_CLASSIFIER',
  // Another set of inputs: the ensemble asks for the union.
  features: ['radius', 'texture', 'symmetry'].map((column) => ({ column, kind: 'NUMERIC' })),
  hyperparameters: { epochs: 20, hiddenLayers: [8] },
};

async function versionOf(datasetId: string, config: TrainingConfigInput, task: 'CLASSIFICATION' | 'REGRESSION') {
  const { runId } = await trainOn(tess, datasetId, config);
  const modelId = await createModel(tess, { task, modelType: config.algorithm });
  return (await register(tess, { modelId, runId })).id;
}

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  const { uploadId } = await tess.upload('tumours.csv', fixtureBytes('breast-cancer.csv'));
  tumours = await registerDataset(tess, { name: 'tumours', uploadId });
  cars = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
  members = {
    logistic: await versionOf(tumours, TUMOUR_CONFIG, 'CLASSIFICATION'),
    trees: await versionOf(tumours, { ...TUMOUR_CONFIG, ...TREES }, 'CLASSIFICATION'),
    network: await versionOf(tumours, { ...TUMOUR_CONFIG, ...NETWORK }, 'CLASSIFICATION'),
  };
  carMembers = [
    await versionOf(cars, CARS_CONFIG, 'REGRESSION'),
    await versionOf(
      cars,
      { ...CARS_CONFIG, algorithm: 'BOOSTED_TREES_REGRESSOR', hyperparameters: { epochs: 20 } },
      'REGRESSION',
    ),
    await versionOf(cars, { ...CARS_CONFIG, algorithm: 'LINEAR_REGRESSION', hyperparameters: {} }, 'REGRESSION'),
  ];
}, 120_000);
afterAll(() => service?.close());

const asMembers = (ids: readonly string[]): CreateEnsembleInput['members'] =>
  ids.map((modelVersionId) => ({ modelVersionId }));

/** Makes the ensemble; returns its version when that is stored. */
async function make(input: CreateEnsembleInput): Promise<string> {
  const { createEnsemble } = await tess.ok(CreateEnsembleDocument, { input });
  const { result } = await jobEnd(tess, createEnsemble.job.id);
  const id = String(result!['modelVersionId']);
  await expect
    .poll(async () => (await tess.ok(EnsembleDetailsDocument, { id })).modelVersion.status, { timeout: 10_000 })
    .toBe('READY');
  return id;
}

async function ensembleOf(modelVersionId: string) {
  return (await tess.ok(EnsembleDocument, { modelVersionId })).modelVersion.ensemble!;
}

/** An endpoint that serves the version. */
async function serve(modelVersionId: string): Promise<string> {
  const { modelVersion } = await tess.ok(EnsembleDetailsDocument, { id: modelVersionId });
  const { id } = await createEndpoint(tess, { modelId: modelVersion.model.id });
  await deploy(tess, { endpointId: id, modelVersionId });
  return id;
}

const TUMOURS = [
  { radius: 17.99, texture: 10.38, smoothness: 0.1184, concavity: 0.3001, symmetry: 0.2419 },
  { radius: 12.1, texture: 18.2, smoothness: 0.09, concavity: 0.03, symmetry: 0.17 },
  { radius: null, texture: 14.9, smoothness: 0.1, concavity: 0.08, symmetry: null },
];

/** A classifier as scikit-learn exports it, of one matrix. */
async function uploadOf(modelId: string, weights: number[], classes: string[], columns = ['radius', 'texture']) {
  const bytes = linearClassifier(classes.map(Number), [weights.map(() => 0), weights], [0, 15]);
  const inputColumns = [{ input: 'X', columns }];
  return registerUpload(tess, modelId, bytes, { inputColumns, classes });
}

async function refusal(input: object) {
  const { message, extensions } = await tess.fails(CreateEnsembleDocument, { input });
  return { message, code: extensions.code, field: extensions.field };
}

describe('an ensemble of versions', () => {
  it('is one ordinary version that answers with the weighted mean of its members', async () => {
    const ids = [members.logistic, members.trees, members.network];
    const weights = [0.5, 0.3, 0.2];
    const id = await make({
      modelId: await createModel(tess, { task: 'CLASSIFICATION' }),
      method: 'SOFT_VOTING',
      members: ids.map((modelVersionId, i) => ({ modelVersionId, weight: weights[i]! })),
    });
    const { modelVersion } = await tess.ok(EnsembleDetailsDocument, { id });
    expect(modelVersion.agreementMaxAbsDiff!).toBeLessThan(1e-5);
    expect(modelVersion.ensemble).toMatchObject({ comparedRows: 171 });
    expect(modelVersion.ensemble!.members.map((member) => member.modelVersion!.id)).toEqual(ids);
    expect(modelVersion.metrics.map(({ name }) => name)).toContain('holdout.log_loss');

    const every = Object.keys(TUMOURS[0]!);
    const columns = [every, every, every, ['radius', 'texture', 'symmetry']];
    const answers = await Promise.all(
      [id, ...ids].map(async (versionId, i) => {
        const rows = TUMOURS.map((row) =>
          Object.fromEntries(Object.entries(row).filter(([name]) => columns[i]!.includes(name))),
        );
        return predict(tess, { endpointId: await serve(versionId), rows });
      }),
    );
    const second = (at: number, row: number): number => answers[at]!.predictions![row]!.probabilities![1]!;
    for (const row of TUMOURS.keys())
      expect(second(0, row)).toBeCloseTo(
        weights.reduce((sum, weight, m) => sum + weight * second(m + 1, row), 0),
        5,
      );
    const found = await ensembleOf(id);
    expect(found).toMatchObject({ method: 'SOFT_VOTING', measuredRows: 171, learntRows: 0 });
    expect(found.members.map(({ weight }) => weight)).toEqual(weights);
    expect(found.diversity).toHaveLength(3);
    for (const pair of found.diversity) {
      expect(pair.disagreement).toBeGreaterThanOrEqual(0);
      expect(Math.abs(pair.errorCorrelation!)).toBeLessThanOrEqual(1);
    }
    expect(found.againstBest!.metric).toBe('log_loss');
  });

  it('passes the gates on the holdout of its members, and is linked with them', async () => {
    const id = await make({
      modelId: await createModel(tess, { task: 'CLASSIFICATION' }),
      method: 'SOFT_VOTING',
      members: asMembers([members.logistic, members.trees]),
    });
    const evaluation = await evaluate(tess, { modelVersionId: id });
    const { metrics } = await ensembleOf(id);
    const logLoss = metrics.find(({ name }) => name === 'log_loss')!;
    expect(evaluation.result).toMatchObject({ passed: true, rows: 171 });
    expect((evaluation.result!['metrics'] as Record<string, number>)['log_loss']).toBeCloseTo(logLoss.value, 5);
    expect((await validate(tess, id)).result).toMatchObject({ passed: true, sampleRows: 200 });
    const { lineage } = await tess.ok(LineageDocument, {
      input: { type: 'MODEL_VERSION', id, direction: 'UPSTREAM', depth: 1 },
    });
    expect(lineage.edges.filter(({ kind }) => kind === 'MEMBER_OF').map(({ from }) => from)).toEqual(
      expect.arrayContaining([members.logistic, members.trees].map((one) => expect.stringContaining(one))),
    );
  });

  it('counts votes, learns weights, and learns a meta-learner on rows that it is not measured on', async () => {
    const modelId = await createModel(tess, { task: 'CLASSIFICATION' });
    const all = asMembers(Object.values(members));
    const hard = await ensembleOf(await make({ modelId, method: 'HARD_VOTING', members: all }));
    expect(hard).toMatchObject({ method: 'HARD_VOTING', measuredRows: 171, againstBest: { metric: 'error_rate' } });
    const learnt = await ensembleOf(await make({ modelId, method: 'SOFT_VOTING', learnWeights: true, members: all }));
    expect(learnt).toMatchObject({ learntRows: 85, measuredRows: 86 });
    expect(learnt.members.reduce((sum, { weight }) => sum + weight!, 0)).toBeCloseTo(1, 6);
    const blendedId = await make({ modelId, method: 'BLENDING', members: all });
    const blended = await ensembleOf(blendedId);
    expect(blended).toMatchObject({ learntRows: 85, measuredRows: 86 });
    expect(blended.members.map(({ weight }) => weight)).toEqual([null, null, null]);
    // The evaluation leaves out the rows from which it has learnt.
    const evaluation = await evaluate(tess, { modelVersionId: blendedId });
    expect(evaluation.result).toMatchObject({ rows: 86 });
    const logLoss = blended.metrics.find(({ name }) => name === 'log_loss')!;
    expect((evaluation.result!['metrics'] as Record<string, number>)['log_loss']).toBeCloseTo(logLoss.value, 5);
    // It has learnt from the holdout, so nothing more can be learnt there, and nothing is measured.
    const nested = {
      modelId: await createModel(tess, { task: 'CLASSIFICATION' }),
      members: asMembers([blendedId, members.trees]),
    };
    expect(await refusal({ ...nested, method: 'BLENDING' })).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.datasetId',
      message: expect.stringContaining('has learnt from the holdout of its members'),
    });
    expect(await ensembleOf(await make({ ...nested, method: 'SOFT_VOTING' }))).toMatchObject({
      measuredRows: 0,
      metrics: [],
      againstBest: null,
    });
  });

  it('is the mean of values for a regression', async () => {
    const modelId = await createModel(tess, { task: 'REGRESSION' });
    const mean = await ensembleOf(await make({ modelId, method: 'SOFT_VOTING', members: asMembers(carMembers) }));
    expect(mean.againstBest).toMatchObject({ metric: 'rmse' });
    expect(mean.diversity.every(({ disagreement }) => disagreement === null)).toBe(true);
    const blended = await ensembleOf(await make({ modelId, method: 'BLENDING', members: asMembers(carMembers) }));
    expect(blended.learntRows).toBeGreaterThan(20);
    expect(await refusal({ modelId, method: 'HARD_VOTING', members: asMembers(carMembers) })).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.method',
    });
  });

  it('takes uploaded models whose columns and classes are known', async () => {
    const modelId = await createModel(tess, { task: 'CLASSIFICATION' });
    const uploaded = await uploadOf(modelId, [-0.9, -0.2], ['0', '1']);
    const other = await uploadOf(modelId, [-0.5, -0.4], ['0', '1']);
    const id = await make({
      modelId,
      method: 'SOFT_VOTING',
      members: asMembers([uploaded.id, other.id]),
      datasetId: tumours,
      target: { column: 'target' },
    });
    expect(await ensembleOf(id)).toMatchObject({ measuredRows: 569 });
    const mixed = await make({
      modelId: await createModel(tess, { task: 'CLASSIFICATION' }),
      method: 'SOFT_VOTING',
      members: asMembers([uploaded.id, members.logistic]),
    });
    expect(await ensembleOf(mixed)).toMatchObject({ measuredRows: 171 });
  });
});

describe('a stacked ensemble', () => {
  const all = () => asMembers(Object.values(members));

  it('learns from answers out of fold, and is measured on the whole holdout', async () => {
    const modelId = await createModel(tess, { task: 'CLASSIFICATION' });
    const id = await make({ modelId, method: 'STACKING', members: all() });
    const stacked = await ensembleOf(id);
    expect(stacked).toMatchObject({ method: 'STACKING', learntRows: 398, measuredRows: 171 });
    expect(stacked.members.map(({ weight }) => weight)).toEqual([null, null, null]);
    expect(stacked.againstBest!.verdict).not.toBe('WORSE');
    const evaluation = await evaluate(tess, { modelVersionId: id });
    const logLoss = stacked.metrics.find(({ name }) => name === 'log_loss')!;
    expect(evaluation.result).toMatchObject({ passed: true, rows: 171 });
    expect((evaluation.result!['metrics'] as Record<string, number>)['log_loss']).toBeCloseTo(logLoss.value, 5);
    const { predictions } = await predict(tess, { endpointId: await serve(id), rows: TUMOURS });
    expect(predictions).toHaveLength(TUMOURS.length);
    // The holdout is still new to it, so that another ensemble can learn there.
    const blended = await make({
      modelId: await createModel(tess, { task: 'CLASSIFICATION' }),
      method: 'BLENDING',
      members: asMembers([id, members.trees]),
    });
    expect(await ensembleOf(blended)).toMatchObject({ learntRows: 85, measuredRows: 86 });
    // An ensemble has no training of its own.
    const nested = { modelId: await createModel(tess, { task: 'CLASSIFICATION' }), method: 'STACKING' };
    expect(await refusal({ ...nested, members: asMembers([members.trees, id]) })).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.members[1].modelVersionId',
      message: expect.stringContaining('BLENDING takes any version'),
    });
  });

  it('is made for a regression, and without measures of members that were trained again on all rows', async () => {
    const modelId = await createModel(tess, { task: 'REGRESSION' });
    const stacked = await ensembleOf(await make({ modelId, method: 'STACKING', members: asMembers(carMembers) }));
    expect(stacked.learntRows).toBeGreaterThan(250);
    expect(stacked.againstBest).toMatchObject({ metric: 'rmse' });
    expect(stacked.againstBest!.verdict).not.toBe('WORSE');
    const refitted = await versionOf(cars, { ...CARS_CONFIG, refit: true }, 'REGRESSION');
    const unmeasured = await make({ modelId, method: 'STACKING', members: asMembers([refitted, carMembers[1]!]) });
    expect(await ensembleOf(unmeasured)).toMatchObject({
      learntRows: stacked.learntRows,
      measuredRows: 0,
      metrics: [],
    });
  });

  it('finds nothing in random labels, though its members know their own rows by heart', async () => {
    const random = new SeededRandom(5);
    const [header, ...lines] = fixtureBytes('breast-cancer.csv').toString().trimEnd().split('\n');
    const drawn = lines.map((line) => line.replace(/[01]$/, () => String(random.below(2))));
    const { uploadId } = await tess.upload('random.csv', Buffer.from([header, ...drawn, ''].join('\n')));
    const datasetId = await registerDataset(tess, { name: 'random', uploadId });
    const byHeart = { epochs: 30, maxLeaves: 31, learningRate: 0.5, minLeafRows: 1 };
    const ids = [
      await versionOf(datasetId, TUMOUR_CONFIG, 'CLASSIFICATION'),
      await versionOf(datasetId, { ...TUMOUR_CONFIG, ...TREES, hyperparameters: byHeart }, 'CLASSIFICATION'),
    ];
    const modelId = await createModel(tess, { task: 'CLASSIFICATION' });
    const { metrics, ...stacked } = await ensembleOf(
      await make({ modelId, method: 'STACKING', members: asMembers(ids) }),
    );
    const lossOf = (own: typeof metrics): number => own.find(({ name }) => name === 'log_loss')!.value;
    // Answers to their own rows would have made it trust the trees.
    expect(lossOf(stacked.members[1]!.metrics)).toBeGreaterThan(1);
    expect(Math.abs(lossOf(metrics) - Math.LN2)).toBeLessThan(0.05);
  });

  it('is made once more when its process was killed, and ends with its process when it is cancelled', async () => {
    const slow = await versionOf(
      tumours,
      { ...TUMOUR_CONFIG, ...NETWORK, hyperparameters: { epochs: 400, hiddenLayers: [64, 32] } },
      'CLASSIFICATION',
    );
    const modelId = await createModel(tess, { task: 'CLASSIFICATION' });
    const input: CreateEnsembleInput = { modelId, method: 'STACKING', members: asMembers([slow, members.trees]) };
    const begin = async (): Promise<string> => {
      const { createEnsemble } = await tess.ok(CreateEnsembleDocument, { input });
      const { id } = createEnsemble.job;
      await expect
        .poll(async () => (await tess.ok(JobDocument, { id })).job.message, { timeout: 30_000, interval: 20 })
        .toMatch(/^Training .* again, fold \d of 5$/);
      return id;
    };
    const killed = await begin();
    const [pid] = childPids(EVALUATION);
    process.kill(pid!, 'SIGKILL');
    expect(await jobEnd(tess, killed)).toMatchObject({ attempt: 2 });
    const cancelled = await begin();
    await tess.ok(CancelJobDocument, { jobId: cancelled });
    await jobEnd(tess, cancelled, 'CANCELLED');
    await expect.poll(() => childPids(EVALUATION), { timeout: 5_000 }).toEqual([]);
  });

  it('refuses members that cannot be trained again, or in other folds', async () => {
    const uploads = await createModel(tess, { task: 'CLASSIFICATION' });
    const uploaded = await uploadOf(uploads, [-0.9, -0.2], ['0', '1']);
    const elsewhere = await versionOf(
      tumours,
      { ...TUMOUR_CONFIG, split: { by: 'RATIO', validation: 0.2, holdout: 0.2 } },
      'CLASSIFICATION',
    );
    const folded = (folds: number) =>
      versionOf(tumours, { ...TUMOUR_CONFIG, crossValidation: { by: 'K_FOLD', folds } }, 'CLASSIFICATION');
    const cases: [string[], string][] = [
      [[members.logistic, uploaded.id], 'was not trained here from a configuration'],
      [[members.logistic, elsewhere], 'was trained on other rows'],
      [[await folded(3), await folded(4)], 'the folds of all must be the same'],
    ];
    for (const [ids, text] of cases)
      expect(await refusal({ modelId: uploads, method: 'STACKING', members: asMembers(ids) })).toMatchObject({
        code: 'BAD_USER_INPUT',
        field: 'input.members[1].modelVersionId',
        message: expect.stringContaining(text),
      });
    const [first, second] = Object.values(members);
    const weighted = [
      { modelVersionId: first, weight: 0.5 },
      { modelVersionId: second, weight: 0.5 },
    ];
    expect(await refusal({ modelId: uploads, method: 'STACKING', members: weighted })).toMatchObject({
      field: 'input.members[0].weight',
    });
  });
});

describe('an ensemble that cannot be made', () => {
  let modelId: string;
  beforeAll(async () => {
    modelId = await createModel(tess, { task: 'CLASSIFICATION' });
  });

  const soft = (ids: readonly string[], rest: object = {}) => ({
    ...{ modelId, method: 'SOFT_VOTING', members: asMembers(ids) },
    ...rest,
  });
  const weighted = (weights: (number | null)[], rest: object = {}) => {
    const ids = Object.values(members);
    return soft([], { members: weights.map((weight, i) => ({ modelVersionId: ids[i]!, weight })), ...rest });
  };

  it('is refused with one error that names the member or the weight', async () => {
    const { logistic, trees } = members;
    const cases: [object, string, string, string][] = [
      [soft([logistic]), 'BAD_USER_INPUT', 'input.members', '2 to 32 members'],
      [soft([logistic, logistic]), 'BAD_USER_INPUT', 'input.members[1].modelVersionId', 'each version once'],
      [weighted([0.5, 0.4, 0.2]), 'BAD_USER_INPUT', 'input.members', 'weights that add up to 1'],
      [weighted([1.5, -0.5]), 'BAD_USER_INPUT', 'input.members[0].weight', '0 to 1'],
      [weighted([0.5, null, 0.5]), 'BAD_USER_INPUT', 'input.members[1].weight', 'for every member'],
      [weighted([0.5, 0.5], { learnWeights: true }), 'BAD_USER_INPUT', 'input.members[0].weight', 'learnWeights'],
      [weighted([0.5, 0.5], { method: 'BLENDING' }), 'BAD_USER_INPUT', 'input.members[0].weight', 'BLENDING'],
      [soft([logistic, carMembers[0]!]), 'BAD_USER_INPUT', 'input.members[1].modelVersionId', 'for CLASSIFICATION'],
      [soft(carMembers), 'CONFLICT', 'input.modelId', 'is for CLASSIFICATION'],
      [soft([logistic, trees], { target: { column: 'target' } }), 'BAD_USER_INPUT', 'input.target', 'none'],
      [soft([logistic, trees], { datasetId: cars }), 'BAD_USER_INPUT', 'input.members[0].modelVersionId', 'radius'],
    ];
    for (const [input, code, field, text] of cases)
      expect(await refusal(input), text).toMatchObject({ code, field, message: expect.stringContaining(text) });
  });

  it('has members with other inputs, classes, or order of classes', async () => {
    const uploads = await createModel(tess, { task: 'CLASSIFICATION' });
    const usual = await uploadOf(uploads, [-0.9, -0.2], ['0', '1']);
    const turned = await uploadOf(uploads, [-0.9, -0.2], ['1', '0']);
    const others = await uploadOf(uploads, [-0.9, -0.2], ['2', '3']);
    const elsewhere = await uploadOf(uploads, [-0.9, -0.2], ['0', '1'], ['radius', 'symmetry']);
    const rest = { datasetId: tumours, target: { column: 'target' } };
    for (const { id } of [turned, others])
      expect(await refusal(soft([usual.id, id], rest))).toMatchObject({
        code: 'BAD_USER_INPUT',
        field: 'input.members[1].modelVersionId',
        message: expect.stringContaining('in the same order (0, 1)'),
      });
    expect(await refusal(soft([usual.id, elsewhere.id], rest))).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.members[1].modelVersionId',
      message: expect.stringContaining('whose input X is'),
    });
    expect(await refusal(soft([usual.id, elsewhere.id]))).toMatchObject({ field: 'input.members[1].modelVersionId' });
    const alone = { members: asMembers([usual.id, (await uploadOf(uploads, [-0.5, -0.1], ['0', '1'])).id]) };
    expect(await refusal(soft([], alone))).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.datasetId' });
    expect(await refusal(soft([], { ...alone, datasetId: tumours }))).toMatchObject({ field: 'input.target.column' });
  });

  it('contains itself, an archived version, or one whose file is gone', async () => {
    const { runId } = await trainOn(tess, tumours, TUMOUR_CONFIG);
    const own = await createModel(tess, { task: 'CLASSIFICATION' });
    const archived = await register(tess, { modelId: own, runId });
    const gone = await register(tess, { modelId: own, runId });
    const first = await make({ modelId: own, method: 'SOFT_VOTING', members: asMembers([gone.id, members.trees]) });
    expect(await refusal(soft([first, members.logistic], { modelId: own }))).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.members[0].modelVersionId',
      message: expect.stringContaining('would contain itself'),
    });
    const second = await make({ modelId, method: 'SOFT_VOTING', members: asMembers([first, members.network]) });
    expect(await refusal(soft([second, members.logistic], { modelId: own }))).toMatchObject({
      message: expect.stringContaining('would contain itself'),
    });
    await tess.ok(ArchiveModelVersionDetailsDocument, { input: { modelVersionId: archived.id } });
    expect(await refusal(soft([archived.id, members.trees]))).toMatchObject({
      code: 'CONFLICT',
      field: 'input.members[0].modelVersionId',
      message: expect.stringContaining('is ARCHIVED'),
    });
    const { objects, db } = service.app.context;
    const [row] = await db.asSystem((em) =>
      em.execute<{ key: string }[]>(`select object_key as key from model_version where id = '${gone.id}'`),
    );
    await objects.delete(row!.key);
    const { createEnsemble } = await tess.ok(CreateEnsembleDocument, {
      input: { modelId, method: 'SOFT_VOTING', members: asMembers([gone.id, members.trees]) },
    });
    const failed = await jobEnd(tess, createEnsemble.job.id, 'FAILED');
    expect(failed).toMatchObject({ errorCode: 'CONFLICT', errorMessage: expect.stringContaining('is gone') });
  });
});
