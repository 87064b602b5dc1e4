import { PENGUIN_TRAINING } from './tracking.js';
import { Role } from '../../../src/modules/core/rules/principal.js';
import type { Guide } from './recorder.js';

export interface Registry {
  modelId: string;
  firstVersionId: string;
}

/** Runs a job's operation and waits for its end; returns the job's id. */
async function finished(
  guide: Guide,
  operation: 'evaluateModelVersion' | 'validateModelVersion',
  modelVersionId: string,
  show = true,
): Promise<string> {
  const [queued] = Object.values(await guide.run(operation, { modelVersionId }, { show }));
  const { id } = queued!.job;
  await guide.until('job', { id }, ({ job }) => ['SUCCEEDED', 'FAILED'].includes(job.status), { show: false });
  return id;
}

/** The first version, from the run to production. */
export async function registryChapter(guide: Guide, { runId }: { runId: string }): Promise<Registry> {
  guide.chapter(
    'Registry',
    'A model has numbered versions; each is one file that never changes. Stages say how far it may be ' +
      'trusted, gates what has been shown.',
  );
  guide.task('Create a model and register a run');
  const { createModel } = await guide.run('createModel', {
    input: {
      name: 'penguin-species',
      task: 'CLASSIFICATION',
      modelType: 'LOGISTIC_REGRESSION',
      tags: [{ key: 'team', value: 'antarctica' }],
    },
  });
  const modelId = createModel.model.id;
  const { registerModelVersion } = await guide.run('registerModelVersion', { modelId, runId });
  const modelVersionId = registerModelVersion.modelVersion.id;
  await guide.run('modelVersion', { id: modelVersionId });

  guide.task(
    'A gate that is not passed',
    'Every refusal names the missing evidence and, in `missing`, the call that brings it.',
  );
  await guide.refused('promoteModelVersion', { modelVersionId, toStage: 'STAGING' });

  guide.task(
    'Evaluate',
    'On the holdout that the training never saw, against the base rate and, when there is one, the version ' +
      'in PRODUCTION. The job’s id is the evaluation’s.',
  );
  const evaluationId = await finished(guide, 'evaluateModelVersion', modelVersionId);
  await guide.run('evaluation', { id: evaluationId });

  guide.task(
    'Validate',
    'Signature, sample predictions, latency, holdout metrics, and agreement of trainer and runtime: the gate ' +
      'to STAGING.',
  );
  await finished(guide, 'validateModelVersion', modelVersionId);
  await guide.run('gates', { modelVersionId });

  guide.task(
    'Promote',
    '`expectedProductionVersionId` says what you believe is in PRODUCTION (null for nothing). When somebody ' +
      'was quicker, you get CONFLICT instead of replacing their version.',
  );
  await guide.run('promoteModelVersion', { modelVersionId, toStage: 'STAGING' }, { show: false });
  await guide.run('promoteModelVersion', {
    modelVersionId,
    toStage: 'PRODUCTION',
    expectedProductionVersionId: null,
    reason: 'first version',
  });
  await guide.run('searchModels', { filter: { stage: 'PRODUCTION', tags: [{ key: 'team', value: 'antarctica' }] } });
  return { modelId, firstVersionId: modelVersionId };
}

/** A second version that must prove itself against the first: the shadow, the promotion, a rollback and another. */
export async function secondVersion(
  guide: Guide,
  { modelId, experimentId, datasetId }: { modelId: string; experimentId: string; datasetId: string },
): Promise<string> {
  const hyperparameters = { ...PENGUIN_TRAINING.hyperparameters, epochs: 12 };
  const input = {
    experimentId,
    datasetId,
    runName: 'softmax, longer',
    config: { ...PENGUIN_TRAINING, hyperparameters },
    registerModelId: modelId,
  };
  const { startTraining } = await guide.run('startTraining', { input }, { show: false });
  await guide.until(
    'trainingJob',
    { id: startTraining.job.id },
    ({ trainingJob }) => trainingJob.status === 'SUCCEEDED',
    { show: false },
  );
  const versions = await guide.until(
    'versionsOfModel',
    { modelId },
    ({ modelVersions }) => modelVersions.nodes.some(({ version, status }) => version === 2 && status === 'READY'),
    { show: false },
  );
  const modelVersionId = versions.modelVersions.nodes.find(({ version }) => version === 2)?.id ?? '';
  await finished(guide, 'evaluateModelVersion', modelVersionId, false);
  await finished(guide, 'validateModelVersion', modelVersionId, false);
  await guide.run('promoteModelVersion', { modelVersionId, toStage: 'STAGING' }, { show: false });
  return modelVersionId;
}

/** What an auditor asks. */
export async function historyChapter(guide: Guide, { modelId }: Registry): Promise<void> {
  guide.chapter(
    'History and audit',
    'Who promoted what, when and why; what was in production at a time, and which data it was trained on.',
  );
  guide.task(
    'Roll back',
    'The version that was in PRODUCTION before comes back on its earlier evidence, and its traffic with it. ' +
      'Rolling back again brings the other one back.',
  );
  await guide.run('rollbackModel', { modelId, reason: 'complaints about Chinstraps' });
  const between = new Date().toISOString();
  await guide.run('rollbackModel', { modelId, reason: 'it was the data' });
  guide.task('What was in production at a time');
  await guide.run('productionVersionAt', { modelId, at: between });
  await guide.run('modelHistory', { modelId });
  guide.task('The audit log', 'Every mutation leaves an entry. ADMIN only.');
  await guide.run('auditLog', { filter: { action: 'rollbackModel' }, first: 1 }, { as: Role.ADMIN });
}
