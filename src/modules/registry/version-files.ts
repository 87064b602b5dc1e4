import type { ObjectStore, StoredObject } from '../../adapters/object-store/port.js';
import { Dataset } from '../../db/entities/datasets/dataset.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import type { OnnxVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import { MODEL_REQUIREMENTS, type ModelCardFacts, renderModelCard } from './rules/model-card.js';
import { AppError, ErrorCode } from '../../errors.js';
import { trainedModelOf } from '../training/index.js';

const REQUIREMENTS = 'requirements.txt';
const CARD = 'model_card.md';

/** The key of a file in the folder of the version's model. */
export function siblingKey(version: OnnxVersion, path: string): string {
  return version.objectKey.slice(0, version.objectKey.lastIndexOf('/') + 1) + path;
}

/** Every file that a version has from the start, by its path. */
export function versionKeys(version: OnnxVersion): Record<string, string> {
  return {
    'model.onnx': version.objectKey,
    [REQUIREMENTS]: siblingKey(version, REQUIREMENTS),
    [CARD]: siblingKey(version, CARD),
  };
}

/**
 * Stores the files under their keys; a repetition is safe. Errors: NOT_FOUND when the source is missing, INVALID_MODEL
 * when it has changed.
 */
export async function storeVersionFiles(
  objects: ObjectStore,
  version: OnnxVersion,
  facts: ModelCardFacts,
): Promise<Record<string, StoredObject>> {
  const model = await objects.put(version.objectKey, await objects.get(version.sourceKey));
  if (model.sha256 !== version.sha256) {
    throw new AppError(ErrorCode.INVALID_MODEL, 'The model file has changed since it was registered.', {
      expected: version.sha256,
      got: model.sha256,
    });
  }
  return {
    'model.onnx': model,
    [REQUIREMENTS]: await objects.put(siblingKey(version, REQUIREMENTS), Buffer.from(MODEL_REQUIREMENTS)),
    [CARD]: await objects.put(siblingKey(version, CARD), Buffer.from(renderModelCard(facts))),
  };
}

/** The facts on the model card of a version. */
export async function cardFactsOf(session: Session, version: OnnxVersion): Promise<ModelCardFacts> {
  const model = await session.em.findOneOrFail(Model, { id: version.modelId, tenant: session.tenant });
  const training = await trainedModelOf(session, version.runId);
  const dataset =
    training && (await session.em.findOneOrFail(Dataset, { id: training.datasetId, tenant: session.tenant }));
  return {
    modelName: model.name,
    modelDescription: model.description,
    modelType: model.modelType,
    framework: version.framework ?? model.framework,
    task: model.task,
    version: version.version,
    semanticVersion: version.semanticVersion,
    description: version.description,
    createdBy: version.createdBy,
    createdAt: version.createdAt,
    sizeBytes: version.sizeBytes,
    sha256: version.sha256,
    signature: version.signature,
    metrics: version.metrics,
    agreementMaxAbsDiff: version.agreementMaxAbsDiff ?? null,
    training:
      training && dataset && version.runId
        ? {
            config: training.config,
            rows: training.rowCounts,
            runId: version.runId,
            datasetName: dataset.name,
            datasetVersion: dataset.version,
            datasetSha256: dataset.sha256,
          }
        : null,
  };
}
