import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** A run of a trial: one, or one for each repeated seed. */
export const TrialRun = defineEntity({
  name: 'TrialRun',
  tableName: 'trial_run',
  properties: {
    tenant: p.text(),
    trialId: p.uuid().primary(),
    repeat: p.integer().primary(),
    runId: p.uuid(),
    /** The TRAINING job; null when an outside trainer does the work. */
    jobId: p.uuid().nullable(),
    /** Metric points of the run up to this number were read. */
    metricSeq: p.bigint('number').default(0),
    values: p.float().columnType('double precision[]').array().nullable(),
  },
});
export type TrialRun = InferEntity<typeof TrialRun>;
