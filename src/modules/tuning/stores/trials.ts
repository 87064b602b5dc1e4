import { type NotNull, sql, type UpdateObject } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import { Study } from '../../../db/entities/tuning/study.entity.js';
import { Trial } from '../../../db/entities/tuning/trial.entity.js';
import type { Session } from '../../../db/database.js';
import { anyOf, type TablesOf, tablesOf, toJson } from '../../../db/tables.js';
import { NO_SCORE } from '../rules/objectives.js';
import type { Params } from '../rules/space.js';
import type { CurvePoint } from '../rules/study.js';
import { TRIAL_STATUS, type TrialStatus } from '../rules/study-status.js';
import { takeNumbers } from './studies.js';

const tables = tablesOf(Study, Trial);

type Rows = Pick<Session, 'em' | 'tenant'>;
type Columns = UpdateObject<TablesOf<typeof Trial>, 'trial'>;
type TrialRef = Pick<Trial, 'id' | 'studyId'>;

/** What a trial becomes with a change of its status; what is absent stays. */
export interface TrialChange {
  values?: number[] | null;
  standardErrors?: number[] | null;
  violations?: number[] | null;
  score?: number;
  reason?: string | null;
  failures?: number;
  aliveAt?: Date | null;
  /** Another trainer begins anew: its intermediate values begin at the first step. */
  dropsReports?: boolean;
}

/** Adds trials to a locked study, in this order. */
export async function addTrials(
  session: Rows,
  study: Study,
  status: 'QUEUED' | 'RUNNING',
  all: readonly Params[],
): Promise<Trial[]> {
  const { em, tenant } = session;
  if (all.length === 0) return [];
  const { number, seq } = await takeNumbers(session, study, all.length);
  const now = new Date();
  const ids = all.map(() => uuidv7());
  await tables(em)
    .insertInto('trial')
    .values(
      all.map((params, i) => ({
        ...{ id: ids[i]!, tenant, created_at: now, study_id: study.id, number: number + i, seq: seq + i, status },
        ...{ params: toJson(params), score: NO_SCORE },
        ...(status === 'RUNNING' && { started_at: now, alive_at: now }),
      })),
    )
    .execute();
  return em.find(Trial, { tenant, id: { $in: ids } }, { orderBy: { number: 'ASC' } });
}

/**
 * The only function that changes the status of a trial. False when it has another status by now. The sequence number of
 * the study counts the change.
 */
export async function changeTrialStatus(
  { em, tenant }: Rows,
  { id, studyId }: TrialRef,
  from: TrialStatus,
  to: TrialStatus,
  change: TrialChange = {},
): Promise<boolean> {
  TRIAL_STATUS.require(from, to);
  const now = new Date();
  const times: Columns =
    to === 'RUNNING'
      ? { started_at: now, alive_at: now, ended_at: null }
      : { ended_at: to === 'QUEUED' ? null : now, alive_at: null };
  const { standardErrors, aliveAt, dropsReports, ...same } = change;
  const set: Columns = {
    ...times,
    ...same,
    ...(standardErrors !== undefined && { standard_errors: standardErrors }),
    ...(aliveAt !== undefined && { alive_at: aliveAt }),
    ...(dropsReports && { report_steps: [], report_values: [] }),
  };
  const changed = await counted(em, tenant, studyId)
    .updateTable('trial')
    .from('counted')
    .set((column) => ({ ...set, status: to, seq: column.ref('counted.event_seq') }))
    .where('trial.tenant', '=', tenant)
    .where('trial.id', '=', id)
    .where('trial.status', '=', from)
    .returning('trial.id')
    .execute();
  return changed.length > 0;
}

/** Appends intermediate values of a running trial, which is alive. */
export async function addReports(
  { em, tenant }: Rows,
  { id, studyId }: TrialRef,
  points: readonly CurvePoint[],
): Promise<void> {
  const steps = points.map(({ step }) => step);
  const values = points.flatMap((point) => point.values);
  await counted(em, tenant, studyId)
    .updateTable('trial')
    .from('counted')
    .set((column) => ({
      seq: column.ref('counted.event_seq'),
      report_steps: sql<number[]>`report_steps || ${steps}::bigint[]`,
      report_values: sql<number[]>`report_values || ${values}::float8[]`,
      alive_at: new Date(),
    }))
    .where('trial.tenant', '=', tenant)
    .where('trial.id', '=', id)
    .execute();
}

/** Notes a sign of life of a running trial that changes nothing else. */
export async function noteAlive({ em, tenant }: Rows, { id }: TrialRef): Promise<void> {
  await tables(em)
    .updateTable('trial')
    .set({ alive_at: new Date() })
    .where('tenant', '=', tenant)
    .where('id', '=', id)
    .execute();
}

/** Counts one change of a trial of the study. */
function counted(em: Session['em'], tenant: string, studyId: string) {
  return tables(em).with('counted', (on) =>
    on
      .updateTable('study')
      .set({ event_seq: sql<number>`event_seq + 1` })
      .where('tenant', '=', tenant)
      .where('id', '=', studyId)
      .returning('event_seq'),
  );
}

/** Trials of a study that changed after a sequence number, in the order of their last changes; -1: the newest only. */
export function trialsAfter({ em, tenant }: Rows, studyId: string, seq: number, limit: number): Promise<Trial[]> {
  return em.find(
    Trial,
    { tenant, studyId, seq: { $gt: seq } },
    { orderBy: { seq: seq < 0 ? 'DESC' : 'ASC' }, limit, refresh: true },
  );
}

/** A trial as samplers need it. */
export type StoredRecord = Pick<
  Trial,
  'number' | 'seq' | 'status' | 'params' | 'values' | 'violations' | 'reportSteps' | 'reportValues'
>;

/** The same trials without what samplers do not need. */
export function recordsAfter(
  { em, tenant }: Rows,
  studyId: string,
  seq: number,
  limit: number,
): Promise<StoredRecord[]> {
  return tables(em)
    .selectFrom('trial')
    .select(['number', 'seq', 'status', 'params', 'values', 'violations'])
    .select(['report_steps as reportSteps', 'report_values as reportValues'])
    .where('tenant', '=', tenant)
    .where('study_id', '=', studyId)
    .where('seq', '>', seq)
    .orderBy('seq')
    .limit(limit)
    .execute();
}

/** The trials with these statuses, by number. */
export function trialsWith(
  { em, tenant }: Rows,
  studyId: string,
  statuses: readonly TrialStatus[],
  limit?: number,
): Promise<Trial[]> {
  return em.find(
    Trial,
    { tenant, studyId, status: { $in: [...statuses] } },
    { orderBy: { number: 'ASC' }, refresh: true, ...(limit !== undefined && { limit }) },
  );
}

/**
 * Trials that somebody let run again after they had failed or were cancelled, by number. Their study begins them
 * though its stop rule allows no new one.
 */
export function retriedTrials({ em, tenant }: Rows, studyId: string, limit: number): Promise<Trial[]> {
  return em.find(
    Trial,
    { tenant, studyId, status: 'QUEUED', startedAt: { $ne: null }, failures: 0 },
    { orderBy: { number: 'ASC' }, refresh: true, limit },
  );
}

export type TrialCounts = Record<TrialStatus, number>;

export async function countTrials(session: Rows, studyId: string): Promise<TrialCounts> {
  return (await trialCounts(session, [studyId]))[0]!;
}

/** How many trials of each study have each status. */
export async function trialCounts({ em, tenant }: Rows, studyIds: readonly string[]): Promise<TrialCounts[]> {
  const rows = await tables(em)
    .selectFrom('trial')
    .select((select) => ['study_id as studyId', 'status', select.fn.countAll<number>().as('count')])
    .where('tenant', '=', tenant)
    .where('study_id', '=', anyOf('uuid', studyIds))
    .groupBy(['study_id', 'status'])
    .execute();
  const counts = new Map(rows.map(({ studyId, status, count }) => [`${studyId} ${status}`, count]));
  return studyIds.map((id) => {
    const of = TRIAL_STATUS.states.map((status) => [status, counts.get(`${id} ${status}`) ?? 0] as const);
    return Object.fromEntries(of) as TrialCounts;
  });
}

/** The best feasible trial of each study; null without a result. */
export async function bestTrialsOf({ em, tenant }: Rows, studyIds: readonly string[]): Promise<(Trial | null)[]> {
  const best = await tables(em)
    .selectFrom('trial')
    .distinctOn('study_id')
    .select('id')
    .where('tenant', '=', tenant)
    .where('study_id', '=', anyOf('uuid', studyIds))
    .where('status', '=', 'COMPLETE')
    .where('score', '<', NO_SCORE)
    .orderBy('study_id')
    .orderBy('score')
    .orderBy('number')
    .execute();
  const found = await em.find(Trial, { tenant, id: { $in: best.map(({ id }) => id) } });
  const byStudy = new Map(found.map((trial) => [trial.studyId, trial]));
  return studyIds.map((id) => byStudy.get(id) ?? null);
}

/** The best feasible trial with a result; null without one. */
export function bestTrial({ em, tenant }: Rows, studyId: string): Promise<Trial | null> {
  return em.findOne(
    Trial,
    { tenant, studyId, status: 'COMPLETE', score: { $lt: NO_SCORE } },
    { orderBy: { score: 'ASC', number: 'ASC' } },
  );
}

export interface CompleteTrial {
  number: number;
  params: Params;
  values: number[];
  violations: number[] | null;
  endedAt: Date | null;
}

/** The trials that analyses look at, the newest when there are more. */
export const ANALYSED_TRIALS = 10_000;

/** Trials with a result, by number. */
export async function completeTrials({ em, tenant }: Rows, studyId: string): Promise<CompleteTrial[]> {
  const rows = await tables(em)
    .selectFrom('trial')
    .select(['number', 'params', 'values', 'violations', 'ended_at as endedAt'])
    .where('tenant', '=', tenant)
    .where('study_id', '=', studyId)
    .where('status', '=', 'COMPLETE')
    .$narrowType<{ values: NotNull }>()
    .orderBy('number', 'desc')
    .limit(ANALYSED_TRIALS)
    .execute();
  return rows.reverse();
}

/** Numbers and results of all trials with a result, by number. */
export function resultsOf(
  { em, tenant }: Rows,
  studyId: string,
): Promise<Pick<CompleteTrial, 'number' | 'values' | 'violations' | 'endedAt'>[]> {
  return tables(em)
    .selectFrom('trial')
    .select(['number', 'values', 'violations', 'ended_at as endedAt'])
    .where('tenant', '=', tenant)
    .where('study_id', '=', studyId)
    .where('status', '=', 'COMPLETE')
    .$narrowType<{ values: NotNull }>()
    .orderBy('number')
    .execute();
}

export async function trialsByNumber(
  { em, tenant }: Rows,
  studyId: string,
  numbers: readonly number[],
): Promise<Map<number, Trial>> {
  const found = await em.find(Trial, { tenant, studyId, number: { $in: [...numbers] } });
  return new Map(found.map((trial) => [trial.number, trial]));
}
