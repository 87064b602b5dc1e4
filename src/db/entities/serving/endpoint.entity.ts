import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import type { TrafficRule } from '../../../modules/serving/index.js';
import { double } from '../../columns.js';

export const Endpoint = defineEntity({
  name: 'Endpoint',
  tableName: 'endpoint',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    name: p.text(),
    modelId: p.uuid(),
    followStage: p.enum(['STAGING', 'PRODUCTION']).nullable(),
    /** Null when a stage is followed. */
    followAlias: p.text().nullable(),
    /** Null: that of the platform, by the runtime of each deployment. */
    slaLatencyP95Ms: double().fieldName('sla_latency_p95_ms').nullable(),
    logSampleRate: double(),
    /** Inputs that the log of predictions leaves out. */
    redactedFields: p.json<string[]>().onCreate(() => []),
    logRetentionDays: p.integer().default(30),
    /** How long hourly files of the log are kept; 0: there are none. */
    logArchiveDays: p.integer().default(0),
    /** How long after its end an hour becomes a file. */
    logArchiveDelayHours: p.integer().default(0),
    /** All hours before it are files. */
    logArchivedUntil: p.datetime().nullable(),
    /** What happens to a request with an unknown category. */
    unknownCategories: p.enum(['ACCEPT', 'REFUSE']).default('ACCEPT'),
    /** Whether its requests may run in one batch. */
    batching: p.enum(['AUTO', 'NEVER']).default('AUTO'),
    trafficRules: p.json<TrafficRule[]>().onCreate(() => []),
    /** What sets its weights instead of people, such as a canary. */
    trafficHeldBy: p.text().nullable(),
    createdBy: p.text(),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
  },
});
export type Endpoint = InferEntity<typeof Endpoint>;
