import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import { double } from '../../columns.js';
import type { ReferenceProfile, Conversion, Signature } from '../../../modules/model-contract/index.js';
import type { LanguageModel, SourceFolder } from '../../../modules/registry/index.js';

export const ModelVersion = defineEntity({
  name: 'ModelVersion',
  tableName: 'model_version',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    modelId: p.uuid(),
    version: p.integer(),
    semanticVersion: p.text(),
    stage: p.enum(['DEVELOPMENT', 'STAGING', 'PRODUCTION', 'ARCHIVED']).default('DEVELOPMENT'),
    status: p.enum(['PENDING', 'READY', 'FAILED']).default('PENDING'),
    description: p.text().default(''),
    /** Why it FAILED, or why a READY version does not use the model.onnx in its files. */
    error: p.text().nullable(),
    runId: p.uuid().nullable(),
    /** The source of its model.onnx. This and the next fields are null while a version has none. */
    sourceKey: p.text().nullable(),
    objectKey: p.text().nullable(),
    sizeBytes: p.bigint('number').nullable(),
    sha256: p.text().nullable(),
    signature: p.json<Signature>().nullable(),
    /** Where the files of the other framework are, as the client said at registration. */
    sourceUri: p.text().nullable(),
    /** A link to its run, when that is on another server. */
    runLink: p.text().nullable(),
    loggedModelId: p.uuid().nullable(),
    /** The folder with the MLmodel file, when it is stored here. */
    sourceFolder: p.json<SourceFolder>().nullable(),
    /** The name of a language model at its server; null for a version with files. */
    languageModel: p.json<LanguageModel>().nullable(),
    /** The outcome of the last conversion of those files. */
    conversion: p.json<Conversion>().nullable(),
    /** The framework of its files; null for that of its model. */
    framework: p.text().nullable(),
    /** Earlier gate results do not count, because its columns or classes were different. */
    evidenceFrom: p.datetime().nullable(),
    metrics: p
      .json<Record<string, number>>()
      .columnType('json')
      .onCreate(() => ({})),
    /** As large as the rest of a page of versions, so it is loaded only on request. */
    reference: p.json<ReferenceProfile>().nullable().lazy(),
    agreementMaxAbsDiff: double().nullable(),
    tags: p.json<Record<string, string>>().onCreate(() => ({})),
    createdBy: p.text(),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
  },
});
export type ModelVersion = InferEntity<typeof ModelVersion>;

/** A version that has a model.onnx. */
export type OnnxVersion = ModelVersion & { [field in 'sourceKey' | 'objectKey' | 'sha256']: string } & {
  sizeBytes: number;
  signature: Signature;
};
