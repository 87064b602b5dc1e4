import { TrialRun } from '../../../db/entities/tuning/trial-run.entity.js';
import type { Session } from '../../../db/database.js';
import { anyOf, tablesOf } from '../../../db/tables.js';

const tables = tablesOf(TrialRun);

type Rows = Pick<Session, 'em' | 'tenant'>;

export interface TrialRunRow {
  trialId: string;
  repeat: number;
  runId: string;
  jobId: string | null;
  metricSeq: number;
  values: number[] | null;
}

export async function addTrialRun(
  { em, tenant }: Rows,
  { trialId, repeat, runId, jobId }: Pick<TrialRunRow, 'trialId' | 'repeat' | 'runId' | 'jobId'>,
): Promise<void> {
  await tables(em)
    .insertInto('trial_run')
    .values({ tenant, trial_id: trialId, repeat, run_id: runId, job_id: jobId })
    .execute();
}

/** The runs of these trials, by repeat. */
export function runsOfTrials({ em, tenant }: Rows, trialIds: readonly string[]): Promise<TrialRunRow[]> {
  return tables(em)
    .selectFrom('trial_run')
    .select([
      'trial_id as trialId',
      'repeat',
      'run_id as runId',
      'job_id as jobId',
      'metric_seq as metricSeq',
      'values',
    ])
    .where('tenant', '=', tenant)
    .where('trial_id', '=', anyOf('uuid', trialIds))
    .orderBy('repeat')
    .execute();
}

/** What was read of the run: its metric points up to a number, and, when it has ended, the values of the objectives. */
export async function noteRead(
  { em, tenant }: Rows,
  { trialId, repeat }: Pick<TrialRunRow, 'trialId' | 'repeat'>,
  read: { metricSeq: number } | { values: number[] },
): Promise<void> {
  await tables(em)
    .updateTable('trial_run')
    .set('metricSeq' in read ? { metric_seq: read.metricSeq } : read)
    .where('tenant', '=', tenant)
    .where('trial_id', '=', trialId)
    .where('repeat', '=', repeat)
    .execute();
}
