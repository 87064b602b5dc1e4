import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import type { ModelScaling } from '../../../modules/model-contract/index.js';
import type { DeclaredSla, DeploymentLimits, StoredFanOut } from '../../../modules/serving/index.js';

export const Deployment = defineEntity({
  name: 'Deployment',
  tableName: 'deployment',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    endpointId: p.uuid(),
    modelVersionId: p.uuid(),
    mode: p.enum(['LIVE', 'SHADOW']),
    weightBps: p.integer().default(0),
    /** Whether its requests may run in one batch; its endpoint may forbid it as well. */
    batching: p.enum(['AUTO', 'NEVER']).default('AUTO'),
    /** Whether it is the control of a canary: a second deployment of the version that serves, counted apart. */
    isControl: p.boolean().default(false),
    /** Whether viewers may call it outside of PRODUCTION, because it replaces one that they may call. */
    forViewers: p.boolean().default(false),
    /** The stage whose version it was made for, when its endpoint follows one. */
    followedStage: p.enum(['STAGING', 'PRODUCTION']).nullable(),
    /** The same for an alias. */
    followedAlias: p.text().nullable(),
    /** Where its model runs. */
    runtime: p.enum(['ONNX', 'TRITON', 'RAY_SERVE', 'VLLM', 'V2', 'FAN_OUT']).default('ONNX'),
    /** How the members of an ensemble are asked, on the runtime FAN_OUT; null on any other. */
    fanOut: p.json<StoredFanOut>().nullable(),
    /** Null: those of the service only. */
    limits: p.json<DeploymentLimits>().nullable(),
    /** Null: in the processes that all models of the runtime share. */
    scaling: p.json<ModelScaling>().nullable(),
    /** Null: that of the endpoint, or of the platform. */
    sla: p.json<DeclaredSla>().nullable(),
    /** The model must answer these before the deployment is READY. */
    warmUpRows: p.json<Record<string, unknown>[]>().nullable(),
    status: p.enum(['PENDING', 'READY', 'FAILED', 'STOPPED']).default('PENDING'),
    error: p.text().nullable(),
    endedAt: p.datetime().nullable(),
    createdBy: p.text(),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
  },
});
export type Deployment = InferEntity<typeof Deployment>;
