import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CancelJobDocument,
  CreateEnsembleDocument,
  type CreateEnsembleInput,
  EnsembleDocument,
  type EnsembleGrowthInput,
  type EnsembleMethod,
  VersionsOfModelDocument,
} from '../../schema/generated/operations.js';
import {
  EnsembleDetailsDocument,
  JobStatusAttemptResultDocument,
  type TrainingConfigInput,
} from '../generated/operations.js';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import { childPids } from '../support/children.js';
import { createModel, jobEnd, register, registerUpload, trainOn, TUMOUR_CONFIG } from '../support/registry.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy, predict } from '../support/serving.js';
import { fixtureBytes, registerDataset } from '../support/training.js';
import { linearClassifier } from '../fixtures/models/build.js';

interface Expected {
  method: 'BAGGING' | 'BOOSTING';
  data: string;
  leaves: number;
  estimators: number;
  features: string[];
  metric: 'accuracy' | 'rmse';
  score: number;
  rows: number;
}

/** Made by test/fixtures/ensembles/grown.py. */
const EXPECTED = JSON.parse(
  readFileSync(new URL('../fixtures/ensembles/grown.json', import.meta.url), 'utf8'),
) as Expected[];

let service: TestService;
let tess: Caller;
const datasets = new Map<string, string>();
beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

async function datasetOf(name: string, bytes: Buffer = fixtureBytes(`${name}.csv`)): Promise<string> {
  const known = datasets.get(name);
  if (known) return known;
  const { uploadId } = await tess.upload(`${name}.csv`, bytes);
  const id = await registerDataset(tess, { name, uploadId });
  datasets.set(name, id);
  return id;
}

/** One tree of so many leaves, as scikit-learn's: the step of a boosting that ends after it. */
const treeOf = (regression: boolean, leaves: number, features: string[], seed = 5): TrainingConfigInput => ({
  algorithm: regression ? 'BOOSTED_TREES_REGRESSOR' : 'BOOSTED_TREES_CLASSIFIER',
  target: { column: 'target' },
  features: features.map((column) => ({ column, kind: 'NUMERIC' })),
  split: { by: 'TIME', column: 'moment', validation: 0.2, holdout: 0.25 },
  hyperparameters: { epochs: 1, learningRate: 1, maxLeaves: leaves, minLeafRows: 1, l2: 0 },
  seed,
});

async function versionOf(datasetId: string, config: TrainingConfigInput): Promise<string> {
  const { runId } = await trainOn(tess, datasetId, config);
  const task = config.algorithm.endsWith('REGRESSOR') ? 'REGRESSION' : 'CLASSIFICATION';
  return (await register(tess, { modelId: await createModel(tess, { task, modelType: config.algorithm }), runId })).id;
}

async function start(member: string, method: EnsembleMethod, growth: EnsembleGrowthInput, task = 'CLASSIFICATION') {
  const modelId = await createModel(tess, { task: task as 'CLASSIFICATION' | 'REGRESSION' });
  const input: CreateEnsembleInput = { modelId, method, members: [{ modelVersionId: member }], growth };
  return (await tess.ok(CreateEnsembleDocument, { input })).createEnsemble.job.id;
}

async function grow(member: string, method: EnsembleMethod, growth: EnsembleGrowthInput, task?: string) {
  const { result } = await jobEnd(tess, await start(member, method, growth, task));
  const id = String(result!['modelVersionId']);
  const status = async () => (await tess.ok(EnsembleDetailsDocument, { id })).modelVersion.status;
  await expect.poll(status, { timeout: 10_000 }).toBe('READY');
  return { id, ensemble: (await tess.ok(EnsembleDocument, { modelVersionId: id })).modelVersion.ensemble! };
}

const valueOf = (metrics: readonly { name: string; value: number }[], name: string) =>
  metrics.find((metric) => metric.name === name)!.value;

describe('models that are grown from one configuration', () => {
  it.each(EXPECTED)('$method on $data scores within 1 % of scikit-learn’s', async (expected) => {
    const { method, data, leaves, estimators, features, metric, score, rows } = expected;
    const regression = metric === 'rmse';
    const member = await versionOf(await datasetOf(data), treeOf(regression, leaves, features));
    const { id, ensemble } = await grow(
      member,
      method,
      { estimators, ...(method === 'BOOSTING' && { learningRate: regression ? 0.1 : 1 }) },
      regression ? 'REGRESSION' : 'CLASSIFICATION',
    );
    const found = valueOf(ensemble.metrics, metric);
    console.info(
      `${method} on ${data}: ${metric} ${found.toFixed(4)}, scikit-learn ${score.toFixed(4)} over ten seeds`,
    );
    expect(ensemble.measuredRows).toBe(rows);
    if (regression) expect(found).toBeLessThanOrEqual(score * 1.01);
    else expect(found).toBeGreaterThanOrEqual(score - 0.01);
    const { modelVersion } = await tess.ok(EnsembleDetailsDocument, { id });
    expect(modelVersion.agreementMaxAbsDiff!).toBeLessThanOrEqual(1e-5);
    const { weights, stopped } = ensemble.growth!;
    expect(weights.length).toBeLessThanOrEqual(estimators);
    if (stopped === null) expect(weights).toHaveLength(estimators);
    // The only member is what it is compared with.
    expect(ensemble.members).toHaveLength(1);
    expect(ensemble.againstBest!.member).toBe(ensemble.members[0]!.name);
  });

  it('BAGGING scores out of bag, near the score of the holdout', async () => {
    const features = ['radius', 'texture', 'smoothness', 'concavity', 'symmetry'];
    const member = await versionOf(await datasetOf('breast-cancer'), treeOf(false, 16, features));
    const { id, ensemble } = await grow(member, 'BAGGING', { estimators: 20, maxSamples: 0.8 });
    const { outOfBag, weights } = ensemble.growth!;
    expect(weights).toEqual(new Array(20).fill(1 / 20));
    // Of 313 training rows, e^-16 of each is drawn by every model.
    expect(outOfBag!.rows).toBeGreaterThan(300);
    const accuracy = outOfBag!.metrics.find(({ name }) => name === 'accuracy')!;
    expect(accuracy.low!).toBeLessThan(valueOf(ensemble.metrics, 'accuracy') + 0.05);
    expect(accuracy.value).toBeGreaterThan(0.85);
    // An ordinary version: deployed, and asked.
    const { modelVersion } = await tess.ok(EnsembleDetailsDocument, { id });
    const { id: endpointId } = await createEndpoint(tess, { modelId: modelVersion.model.id });
    await deploy(tess, { endpointId, modelVersionId: id });
    const [row] = (
      await predict(tess, {
        endpointId,
        rows: [{ radius: 17.99, texture: 10.38, smoothness: 0.1184, concavity: 0.3001, symmetry: 0.2419 }],
      })
    ).predictions;
    expect(row!.probabilities!.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
  });

  it('finds nothing in random labels: out of bag it is at chance', async () => {
    const random = new SeededRandom(11);
    const lines = Array.from({ length: 600 }, (_, i) => {
      const at = new Date(Date.UTC(2024, 0, 1) + i * 3_600_000).toISOString();
      return [at, random.next(), random.next(), random.next(), random.next() < 0.5 ? 'a' : 'b'].join(',');
    });
    const csv = Buffer.from(['moment,u,v,w,target', ...lines].join('\n'));
    const member = await versionOf(await datasetOf('noise', csv), treeOf(false, 32, ['u', 'v', 'w']));
    const { ensemble } = await grow(member, 'BAGGING', { estimators: 15 });
    const accuracy = ensemble.growth!.outOfBag!.metrics.find(({ name }) => name === 'accuracy')!;
    expect(accuracy.low!).toBeLessThan(0.5);
    expect(accuracy.high!).toBeGreaterThan(0.5 - 0.05);
    expect(accuracy.value).toBeLessThan(0.58);
  });

  it('SAMME ends when nothing is left to learn, and when a model is no better than chance', async () => {
    const features = ['radius', 'texture', 'smoothness', 'concavity', 'symmetry'];
    const deep = await versionOf(await datasetOf('breast-cancer'), treeOf(false, 400, features));
    const { ensemble: perfect } = await grow(deep, 'BOOSTING', { estimators: 5 });
    expect(perfect.growth).toMatchObject({ stopped: 'PERFECT', weights: [1] });
    // A tree without a split: after the first one, the weights of its right and wrong rows are equal.
    const config = treeOf(false, 2, features, 4);
    const idle = await versionOf(await datasetOf('breast-cancer'), {
      ...config,
      hyperparameters: { ...config.hyperparameters, minLeafRows: 10_000 },
    });
    const { ensemble: chance } = await grow(idle, 'BOOSTING', { estimators: 5 });
    expect(chance.growth).toMatchObject({ stopped: 'NO_BETTER_THAN_CHANCE', weights: [1] });
  });

  it('is refused with one clear error where it cannot be', async () => {
    const member = await versionOf(await datasetOf('breast-cancer'), TUMOUR_CONFIG);
    const modelId = await createModel(tess, { task: 'CLASSIFICATION' });
    const uploaded = await registerUpload(
      tess,
      modelId,
      linearClassifier(
        [0, 1],
        [
          [0, 0],
          [1, 1],
        ],
        [0, 15],
      ),
      { inputColumns: [{ input: 'X', columns: ['radius', 'texture'] }], classes: ['0', '1'] },
    );
    const refusal = async (input: object) => {
      const base = { modelId, method: 'BAGGING', members: [{ modelVersionId: member }] };
      const { extensions } = await tess.fails(CreateEnsembleDocument, { input: { ...base, ...input } });
      return { code: extensions.code, field: extensions.field };
    };
    const bad = (field: string) => ({ code: 'BAD_USER_INPUT', field });
    const two = [{ modelVersionId: member }, { modelVersionId: uploaded.id }];
    expect(await refusal({ members: two })).toEqual(bad('input.members'));
    expect(await refusal({ method: 'SOFT_VOTING' })).toEqual(bad('input.members'));
    expect(await refusal({ members: [{ modelVersionId: uploaded.id }] })).toEqual(
      bad('input.members[0].modelVersionId'),
    );
    expect(await refusal({ members: [{ modelVersionId: member, weight: 1 }] })).toEqual(bad('input.members[0].weight'));
    expect(await refusal({ growth: { estimators: 0 } })).toEqual(bad('input.growth.estimators'));
    expect(await refusal({ growth: { learningRate: 0.5 } })).toEqual(bad('input.growth.learningRate'));
    expect(await refusal({ method: 'BOOSTING', growth: { maxSamples: 0.5 } })).toEqual(bad('input.growth.maxSamples'));
    expect(await refusal({ method: 'SOFT_VOTING', members: two, growth: { estimators: 5 } })).toEqual(
      bad('input.growth'),
    );
  });

  it('survives kill -9 of its process: another attempt gives one version', async () => {
    const features = ['radius', 'texture', 'smoothness', 'concavity', 'symmetry'];
    const config = treeOf(false, 16, features, 9);
    const member = await versionOf(await datasetOf('breast-cancer'), {
      ...config,
      hyperparameters: { ...config.hyperparameters, epochs: 60 },
    });
    const jobId = await start(member, 'BAGGING', { estimators: 60 });
    await expect.poll(() => childPids('evaluator/evaluation-child.js').length, { timeout: 20_000 }).toBe(1);
    process.kill(childPids('evaluator/evaluation-child.js')[0]!, 'SIGKILL');
    const { modelVersionId } = (await jobEnd(tess, jobId)).result!;
    const { attempt } = (await tess.ok(JobStatusAttemptResultDocument, { id: jobId })).job;
    expect(attempt).toBe(2);
    const { modelVersion } = await tess.ok(EnsembleDetailsDocument, { id: String(modelVersionId) });
    const { modelVersions } = await tess.ok(VersionsOfModelDocument, { modelId: modelVersion.model.id });
    expect(modelVersions.nodes.map(({ id }) => id)).toEqual([modelVersionId]);
  });

  it('can be cancelled, and leaves no version', async () => {
    const features = ['radius', 'texture', 'smoothness', 'concavity', 'symmetry'];
    const member = await versionOf(await datasetOf('breast-cancer'), treeOf(false, 16, features, 9));
    const jobId = await start(member, 'BOOSTING', { estimators: 100 });
    await expect.poll(() => childPids('evaluator/evaluation-child.js').length, { timeout: 20_000 }).toBe(1);
    await tess.ok(CancelJobDocument, { jobId });
    expect((await jobEnd(tess, jobId, 'CANCELLED')).result).toBeNull();
    await expect.poll(() => childPids('evaluator/evaluation-child.js').length, { timeout: 20_000 }).toBe(0);
  });
});
