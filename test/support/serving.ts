import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { Model } from '../../src/db/entities/registry/model.entity.js';
import { ModelVersion } from '../../src/db/entities/registry/model-version.entity.js';
import { Role } from '../../src/modules/core/rules/principal.js';
import type { ReferenceProfile } from '../../src/modules/model-contract/rules/drift.js';
import type { Signature, TensorSpec } from '../../src/modules/model-contract/rules/tensor.js';
import type { Caller, TestService } from './service.js';
import { CreateEndpointDocument, type CreateEndpointInput } from '../../schema/generated/operations.js';
import {
  DeployModelVersionDetailsDocument,
  DeploymentDetailsDocument,
  type DeploymentScalingInput,
  PredictDetailsDocument,
  type PredictDetailsMutation,
  type Runtime,
} from '../generated/operations.js';

export interface NewVersion {
  bytes: Uint8Array;
  signature: Signature;
  stage?: ModelVersion['stage'];
  modelId?: string;
  task?: Model['task'];
  tenant?: string;
  reference?: ReferenceProfile;
}

export interface MadeVersion {
  modelId: string;
  versionId: string;
}

let made = 0;

/** A READY version with its file, of a new model unless one is named; without the checks and gates of the registry. */
export async function makeVersion(service: TestService, version: NewVersion): Promise<MadeVersion> {
  const { tenant = 'acme', bytes, signature, stage = 'DEVELOPMENT', task = 'OTHER' } = version;
  const { db, objects } = service.app.context;
  const actor = {
    principal: { subject: 'maker', tenant, role: Role.ENGINEER, expiresAt: new Date(Date.now() + 60_000) },
    requestId: 'test',
  };
  const number = ++made;
  const objectKey = `${tenant}/models/made/${number}/model.onnx`;
  const stored = await objects.put(objectKey, Buffer.from(bytes));
  return db.transact(actor, async ({ em }) => {
    const model = version.modelId
      ? await em.findOneOrFail(Model, { id: version.modelId })
      : em.create(Model, {
          tenant,
          name: `made-${number}`,
          folder: `made-${number}`,
          modelType: 'TEST',
          framework: 'onnx',
          task,
          createdBy: 'maker',
        });
    await em.flush();
    const row = em.create(ModelVersion, {
      tenant,
      modelId: model.id,
      version: number,
      semanticVersion: `1.${number}.0`,
      stage,
      status: 'READY',
      sourceKey: objectKey,
      objectKey,
      ...stored,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      signature,
      reference: version.reference ?? null,
      createdBy: 'maker',
    });
    await em.flush();
    return { modelId: model.id, versionId: row.id };
  });
}

export const floats = (name: string, columns: number): TensorSpec => ({ name, datatype: 'FP32', shape: [-1, columns] });

/** For the generated models with one float matrix as input and one as output. */
export const xToY = (inputs: number, outputs = 1): Signature => ({
  inputs: [floats('x', inputs)],
  outputs: [floats('y', outputs)],
});

export async function createEndpoint(
  caller: Caller,
  input: Omit<CreateEndpointInput, 'name'> & { name?: string },
): Promise<{ id: string; name: string }> {
  const { createEndpoint: created } = await caller.ok(CreateEndpointDocument, {
    input: { name: `endpoint-${++made}`, ...input },
  });
  return created.endpoint;
}

/** Deploys and waits until it serves. */
export async function deploy(
  caller: Caller,
  input: {
    endpointId: string;
    modelVersionId: string;
    mode?: 'LIVE' | 'SHADOW';
    runtime?: Runtime;
    weightBps?: number;
    batching?: 'AUTO' | 'NEVER';
    scaling?: DeploymentScalingInput;
  },
): Promise<string> {
  const { deployModelVersion } = await caller.ok(DeployModelVersionDetailsDocument, {
    input: { mode: 'LIVE', ...input },
  });
  const { id } = deployModelVersion.deployment;
  await untilReady(caller, id, input.runtime === 'RAY_SERVE' ? 120_000 : undefined);
  return id;
}

export async function untilReady(caller: Caller, deploymentId: string, timeout = 20_000): Promise<void> {
  const status = async () =>
    (
      await caller.ok(DeploymentDetailsDocument, {
        id: deploymentId,
      })
    ).deployment.status;
  await expect.poll(status, { timeout, interval: 20 }).toBe('READY');
}

/** A new endpoint with one live version. */
export async function serve(
  service: TestService,
  caller: Caller,
  version: NewVersion,
  settings: Record<string, unknown> = {},
): Promise<MadeVersion & { endpointId: string; deploymentId: string }> {
  const found = await makeVersion(service, version);
  const { id: endpointId } = await createEndpoint(caller, { modelId: found.modelId, ...settings });
  return { ...found, endpointId, deploymentId: await deploy(caller, { endpointId, modelVersionId: found.versionId }) };
}

export type Answer = PredictDetailsMutation['predict'];

export async function predict(caller: Caller, input: Record<string, unknown>): Promise<Answer> {
  return (await caller.ok(PredictDetailsDocument, { input })).predict;
}

/** A tensor `x` of floats, as the API takes it. */
export const x = (values: (number | null)[], columns = 1): Record<string, unknown> => ({
  name: 'x',
  datatype: 'FP32',
  shape: [values.length / columns, columns],
  data: values,
});
