import { LockMode } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { type RawBuilder, sql } from 'kysely';
import { Study } from '../../../db/entities/tuning/study.entity.js';
import { Trial } from '../../../db/entities/tuning/trial.entity.js';
import type { Session } from '../../../db/database.js';
import { tablesOf } from '../../../db/tables.js';
import { noteWritten } from '../../../db/written.js';
import { STUDY_RANGES, type PriorTrial } from '../rules/study-spec.js';
import { STUDY_STATUS, type StudyStatus } from '../rules/study-status.js';

const tables = tablesOf(Study, Trial);

type Rows = Pick<Session, 'em' | 'tenant'>;

/** Locks the study: changes of its trials wait for each other, so their numbers have the order of the commits. */
export function lockStudy({ em, tenant }: Rows, id: string): Promise<Study | null> {
  return em.findOne(Study, { id, tenant }, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
}

export async function studyStatus({ em, tenant }: Rows, id: string): Promise<StudyStatus | null> {
  const row = await tables(em)
    .selectFrom('study')
    .select('status')
    .where('tenant', '=', tenant)
    .where('id', '=', id)
    .executeTakeFirst();
  return row?.status ?? null;
}

/** The only function that changes the status of a study. CONFLICT when its current status does not allow it. */
export async function changeStudyStatus(
  { em, tenant }: Rows,
  study: Study,
  status: StudyStatus,
  reason: string | null,
): Promise<void> {
  const now = new Date();
  const endedAt = status === 'RUNNING' ? null : now;
  const idleMs = study.idleMs + (study.endedAt ? Math.max(0, now.getTime() - study.endedAt.getTime()) : 0);
  const changed = await tables(em)
    .updateTable('study')
    .set({ status, reason, ended_at: endedAt, idle_ms: idleMs })
    .where('tenant', '=', tenant)
    .where('id', '=', study.id)
    .where('status', 'in', STUDY_STATUS.before(status))
    .returning('id')
    .execute();
  if (changed.length === 0) throw STUDY_STATUS.refusal(study.status, status);
  noteWritten(study, { status, reason, endedAt, idleMs });
}

/** Takes numbers for new trials: the first number, and the sequence number of its creation. */
export async function takeNumbers(
  { em, tenant }: Rows,
  study: Study,
  count: number,
): Promise<{ number: number; seq: number }> {
  const row = await tables(em)
    .updateTable('study')
    .set({ next_number: sql<number>`next_number + ${count}`, event_seq: sql<number>`event_seq + ${count}` })
    .where('tenant', '=', tenant)
    .where('id', '=', study.id)
    .returning(['next_number as next', 'event_seq as seq'])
    .executeTakeFirstOrThrow();
  noteWritten(study, { nextNumber: row.next, eventSeq: row.seq });
  return { number: row.next - count, seq: row.seq - count + 1 };
}

export async function priorTrialsOf({ em, tenant }: Rows, studyId: string): Promise<PriorTrial[]> {
  const row = await tables(em)
    .selectFrom('study')
    .select('prior_trials as priorTrials')
    .where('tenant', '=', tenant)
    .where('id', '=', studyId)
    .executeTakeFirstOrThrow();
  return row.priorTrials;
}

/**
 * Studies of outside trainers, of all tenants, that need a look though nobody asks: with a trial whose trainer gave no
 * sign of life for too long, or with no running trial after their time.
 */
export function neglectedStudies(
  em: EntityManager,
  now: Date,
  limit: number,
): Promise<{ tenant: string; id: string }[]> {
  const db = tables(em);
  const lost = db
    .selectFrom('trial as t')
    .innerJoin('study as s', (on) => on.onRef('s.tenant', '=', 't.tenant').onRef('s.id', '=', 't.study_id'))
    .select(['s.tenant', 's.id'])
    .where('t.status', '=', 'RUNNING')
    // The shortest time that a study can have: it lets an index leave out most trials.
    .where('t.alive_at', '<=', new Date(now.getTime() - STUDY_RANGES.aliveMs.min))
    .where('t.alive_at', '<=', sql<Date>`${now}::timestamptz - ${milliseconds(sql`s.spec ->> 'aliveMs'`)}`)
    .where('s.status', '=', 'RUNNING')
    .where('s.job_id', 'is', null);
  const overdue = db
    .selectFrom('study as s')
    .select(['s.tenant', 's.id'])
    .where('s.status', '=', 'RUNNING')
    .where('s.job_id', 'is', null)
    .where(
      's.started_at',
      '<=',
      sql<Date>`${now}::timestamptz - ${milliseconds(sql`s.stop_rule ->> 'maxDurationMs'`)} - ${milliseconds(sql`s.idle_ms`)}`,
    )
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('trial as t')
            .select('t.id')
            .whereRef('t.tenant', '=', 's.tenant')
            .whereRef('t.study_id', '=', 's.id')
            .where('t.status', '=', 'RUNNING'),
        ),
      ),
    );
  return lost.union(overdue).limit(limit).execute();
}

const milliseconds = (text: RawBuilder<unknown>) => sql`(${text})::float8 * interval '1 millisecond'`;
