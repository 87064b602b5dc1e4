import type { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import { type ModelTask, TASK_TAG } from './rules/model-task.js';
import { taskOf } from '../algorithms/index.js';
import { conflict } from '../../errors.js';
import { trainedModelOf } from '../training/index.js';

/**
 * Changes the task of a model. Another task needs other evidence, so earlier gate results stop counting. CONFLICT names
 * the version that prevents the change: one that was trained for another task, or one in STAGING or PRODUCTION, unless
 * the task was OTHER or guessed. False when nothing changed. The caller holds the model's lock.
 */
export async function changeTask(session: Session, model: Model, task: ModelTask, field: string): Promise<boolean> {
  const wasGuessed = model.taskGuessed;
  model.taskGuessed = false;
  if (Object.hasOwn(model.tags, TASK_TAG)) model.tags = { ...model.tags, [TASK_TAG]: task };
  if (model.task === task) return wasGuessed;
  const versions = await session.em.find(
    ModelVersion,
    { tenant: session.tenant, modelId: model.id },
    { orderBy: { version: 'ASC' }, fields: ['version', 'stage', 'runId', 'sourceUri'], disableIdentityMap: true },
  );
  for (const { version, runId, sourceUri } of task === 'OTHER' ? [] : versions) {
    const training = sourceUri == null ? await trainedModelOf(session, runId) : null;
    const trained = training && taskOf(training.config.algorithm);
    if (!trained || trained === task) continue;
    throw conflict(`Version ${version} was trained for ${trained}: create another model for ${task}.`, {
      field,
      expected: trained,
      got: task,
    });
  }
  const promoted = versions.find(({ stage }) => stage === 'PRODUCTION' || stage === 'STAGING');
  if (promoted && model.task !== 'OTHER' && !wasGuessed) {
    const { version, stage } = promoted;
    const message =
      `Version ${version} is in ${stage} by gates for ${model.task}: bring it back to DEVELOPMENT first ` +
      `(demoteModelVersion), or create another model for ${task}.`;
    throw conflict(message, { field, expected: model.task, got: task });
  }
  if (model.task !== 'OTHER') model.evidenceFrom = new Date();
  model.task = task;
  return true;
}
