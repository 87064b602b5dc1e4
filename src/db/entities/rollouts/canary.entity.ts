import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import type { CanaryGuard, CanaryStep, GuardJudgement } from '../../../modules/rollouts/index.js';
import { double } from '../../columns.js';

export const Canary = defineEntity({
  name: 'Canary',
  tableName: 'canary',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
    endpointId: p.uuid(),
    modelVersionId: p.uuid(),
    stableVersionId: p.uuid(),
    stableDeploymentId: p.uuid(),
    canaryDeploymentId: p.uuid(),
    /** A second deployment of the stable version, with as many requests as the canary. */
    controlDeploymentId: p.uuid(),
    steps: p.json<CanaryStep[]>(),
    guards: p.json<CanaryGuard[]>(),
    /** The probability that a canary that is as good as its control is rolled back. */
    alpha: double(),
    minRequests: p.bigint('number'),
    /** Looks in a row with FAIL that end the canary. */
    failureLimit: p.integer(),
    /** Looks in a row at which the counters could not be read that pause the canary. */
    sourceErrorLimit: p.integer(),
    approvalWebhookId: p.uuid().nullable(),
    /** For a version that has served here a short time ago. */
    skipsSteps: p.boolean(),
    status: p.enum([
      'LOADING',
      'RUNNING',
      'PAUSED',
      'WAITING_FOR_APPROVAL',
      'PROMOTED',
      'ROLLED_BACK',
      'ABORTED',
      'LOAD_FAILED',
    ]),
    /** Why it is in this state. */
    reason: p.text(),
    /** The position of the present step. */
    step: p.integer().default(0),
    stepStartedAt: p.datetime().nullable(),
    failures: p.integer().default(0),
    sourceErrors: p.integer().default(0),
    /** Of the last look. */
    judgement: p.json<GuardJudgement[]>(),
    /** When a process looks at it next. */
    lookAt: p.datetime(),
    /** When its webhook was asked last. */
    askedAt: p.datetime().nullable(),
    endedAt: p.datetime().nullable(),
    createdBy: p.text(),
  },
});
export type Canary = InferEntity<typeof Canary>;
