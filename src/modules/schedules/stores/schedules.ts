import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { Dataset } from '../../../db/entities/datasets/dataset.entity.js';
import { Job } from '../../../db/entities/jobs/job.entity.js';
import { Schedule } from '../../../db/entities/schedules/schedule.entity.js';
import { ScheduleStart } from '../../../db/entities/schedules/schedule-start.entity.js';
import type { Session } from '../../../db/database.js';
import { anyOf, tablesOf } from '../../../db/tables.js';

const tables = tablesOf(Schedule, ScheduleStart, Job, Dataset);

export interface DueSchedule {
  id: string;
  tenant: string;
  createdBy: string;
}

/** Schedules of all tenants whose time has come, those that wait longest first. */
export function dueSchedules(em: EntityManager, limit: number): Promise<DueSchedule[]> {
  return tables(em)
    .selectFrom('schedule')
    .select(['id', 'tenant', 'created_by as createdBy'])
    .where('due_at', '<=', sql<Date>`now()`)
    .orderBy('due_at')
    .limit(limit)
    .execute();
}

/** Schedules of all tenants whose dataset has a version that they have not seen. */
export function schedulesWithNewData(em: EntityManager, limit: number): Promise<DueSchedule[]> {
  return tables(em)
    .selectFrom('schedule as s')
    .select(['s.id', 's.tenant', 's.created_by as createdBy'])
    .where('s.watched_dataset', 'is not', null)
    .where('s.paused_at', 'is', null)
    .where((where) =>
      where.exists(
        where
          .selectFrom('dataset as d')
          .select('d.id')
          .whereRef('d.tenant', '=', 's.tenant')
          .whereRef('d.name', '=', 's.watched_dataset')
          .whereRef('d.version', '>', 's.watched_version'),
      ),
    )
    .orderBy('s.id')
    .limit(limit)
    .execute();
}

/** The jobs of a schedule that wait or run, the newest first. */
export function unfinishedJobs({ em, tenant }: Session, scheduleId: string, limit: number) {
  return tables(em)
    .selectFrom('schedule_start as s')
    .innerJoin('job as j', (on) => on.onRef('j.tenant', '=', 's.tenant').onRef('j.id', '=', 's.job_id'))
    .select(['j.id', 'j.status'])
    .where('s.tenant', '=', tenant)
    .where('s.schedule_id', '=', scheduleId)
    .where('j.status', 'in', ['QUEUED', 'RUNNING'])
    .orderBy('s.created_at', 'desc')
    .limit(limit)
    .execute();
}

/** Of each of these schedules, its newest start. */
export async function lastStarts({ em, tenant }: Session, scheduleIds: readonly string[]) {
  const newest = await tables(em)
    .selectFrom('schedule_start')
    .distinctOn('schedule_id')
    .select(['id', 'schedule_id as scheduleId'])
    .where('tenant', '=', tenant)
    .where('schedule_id', '=', anyOf('uuid', scheduleIds))
    .orderBy('schedule_id')
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
  const starts = await em.find(ScheduleStart, { tenant, id: { $in: newest.map(({ id }) => id) } });
  const bySchedule = new Map(starts.map((start) => [start.scheduleId, start]));
  return scheduleIds.map((id) => bySchedule.get(id) ?? null);
}

/** The schedules that have started these jobs; null for a job that none has started. */
export async function schedulesOfJobs(
  { em, tenant }: Session,
  jobIds: readonly string[],
): Promise<(Schedule | null)[]> {
  const starts = await em.find(ScheduleStart, { tenant, jobId: { $in: [...jobIds] } });
  const schedules = await em.find(Schedule, { tenant, id: { $in: starts.map(({ scheduleId }) => scheduleId) } });
  const byId = new Map(schedules.map((schedule) => [schedule.id, schedule]));
  const byJob = new Map(starts.map(({ jobId, scheduleId }) => [jobId, byId.get(scheduleId)]));
  return jobIds.map((id) => byJob.get(id) ?? null);
}

/** Deletes the history from before a time, at most `limit` starts. Returns how many it deleted. */
export async function deleteOldStarts(em: EntityManager, before: Date, limit: number): Promise<number> {
  const { numDeletedRows } = await tables(em)
    .deleteFrom('schedule_start')
    .where('id', 'in', (from) =>
      from
        .selectFrom('schedule_start')
        .select('id')
        .where('created_at', '<', before)
        .orderBy('created_at')
        .limit(limit),
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
}
