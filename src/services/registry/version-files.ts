import type { ObjectStore, StoredObject } from '../../adapters/object-store/port.js';
import { Artifact } from '../../db/entities/tracking/artifact.entity.js';
import { Dataset } from '../../db/entities/tracking/dataset.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import type { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import { MODEL_REQUIREMENTS, type ModelCardFacts, renderModelCard } from '../../domain/model-card.js';
import { AppError, ErrorCode } from '../../errors.js';
import { trainingOf } from './training-source.js';
import { folderOf } from './version-removal.js';

export interface StoredFile extends StoredObject {
  path: string;
  objectKey: string;
  contentType: string;
}

/** Copies and writes the files of a version under their keys; doing it twice gives the same. Errors: INVALID_MODEL when the bytes have changed. */
export async function storeVersionFiles(objects: ObjectStore, version: ModelVersion, facts: ModelCardFacts): Promise<StoredFile[]> {
  const folder = folderOf(version.objectKey);
  const model = await objects.put(version.objectKey, await objects.get(version.sourceKey));
  if (model.sha256 !== version.sha256) {
    await objects.delete(version.objectKey);
    throw new AppError(ErrorCode.INVALID_MODEL, 'The stored model file is not the one that was registered.', { expected: version.sha256, got: model.sha256 });
  }
  const text = async (path: string, contentType: string, content: string): Promise<StoredFile> => {
    const objectKey = folder + path;
    return { path, objectKey, contentType, ...(await objects.put(objectKey, Buffer.from(content))) };
  };
  return [
    { path: 'model.onnx', objectKey: version.objectKey, contentType: 'application/octet-stream', ...model },
    await text('requirements.txt', 'text/plain; charset=utf-8', MODEL_REQUIREMENTS),
    await text('model_card.md', 'text/markdown; charset=utf-8', renderModelCard(facts)),
  ];
}

export function recordArtifact(session: Session, modelVersionId: string, file: StoredFile): void {
  session.em.create(Artifact, { tenant: session.tenant, modelVersionId, ...file });
}

/** What the card of a version tells. */
export async function cardFactsOf(session: Session, version: ModelVersion): Promise<ModelCardFacts> {
  const model = await session.em.findOneOrFail(Model, { id: version.modelId, tenant: session.tenant });
  const training = await trainingOf(session, version.runId);
  const dataset = training && (await session.em.findOneOrFail(Dataset, { id: training.datasetId, tenant: session.tenant }));
  return {
    modelName: model.name,
    modelDescription: model.description,
    modelType: model.modelType,
    framework: model.framework,
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
            config: training.result.config,
            rows: training.result.rows,
            runId: version.runId,
            datasetName: dataset.name,
            datasetVersion: dataset.version,
            datasetSha256: dataset.sha256,
          }
        : null,
  };
}
