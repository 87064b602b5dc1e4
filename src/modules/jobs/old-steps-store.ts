import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { JobEvent } from '../../db/entities/jobs/job-event.entity.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { tablesOf } from '../../db/tables.js';

const tables = tablesOf(Job, JobEvent);

/** A place in the order in which jobs ended. The time is a text, because a Date would lose its microseconds. */
export interface EndedJob {
  id: string;
  ended: string;
}

export const FIRST_ENDED: EndedJob = { ended: '-infinity', id: '00000000-0000-0000-0000-000000000000' };

/** The next jobs that ended before a time, in that order. */
export function endedJobs(em: EntityManager, before: Date, after: EndedJob, limit: number): Promise<EndedJob[]> {
  return tables(em)
    .selectFrom('job')
    .select(['id', sql<string>`ended_at::text`.as('ended')])
    .where('ended_at', '<', before)
    .where(sql<boolean>`(ended_at, id) > (${after.ended}::timestamptz, ${after.id}::uuid)`)
    .orderBy('ended_at')
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Deletes the steps of these jobs except the last one of each, at most `limit`. Returns how many it deleted. */
export async function deleteOldSteps(em: EntityManager, jobIds: readonly string[], limit: number): Promise<number> {
  const { numDeletedRows } = await tables(em)
    .with('old', (from) =>
      from
        .selectFrom(
          sql<{ id: string; place: number }>`unnest(${jobIds}::uuid[]) with ordinality`.as<'looked'>(
            sql`looked(id, place)`,
          ),
        )
        .innerJoin('job as j', 'j.id', 'looked.id')
        .crossJoinLateral((lateral) =>
          lateral
            .selectFrom('job_event as s')
            .select(['s.job_id', 's.seq'])
            .whereRef('s.job_id', '=', 'j.id')
            .whereRef('s.seq', '<', 'j.event_seq')
            .orderBy('s.seq')
            .limit(limit)
            .as('step'),
        )
        .select(['step.job_id', 'step.seq'])
        .orderBy('looked.place')
        .orderBy('step.seq')
        .limit(limit),
    )
    .deleteFrom('job_event')
    .using('old')
    .whereRef('job_event.job_id', '=', 'old.job_id')
    .whereRef('job_event.seq', '=', 'old.seq')
    .executeTakeFirst();
  return Number(numDeletedRows);
}
