import type { EntityManager } from '@mikro-orm/postgresql';
import type { Database } from '../../db/database.js';
import { sql } from '../../db/sql.js';

/** How long rows are kept, in days; 0 means for ever. */
export interface RetentionOptions {
  eventDays: number;
  trafficDays: number;
  auditDays: number;
}

/** Rows that one transaction removes, so that its locks are short. */
const BATCH = 1_000;
const JOBS_AT_ONCE = 100;
const BATCHES_AT_ONCE = 20;
/** How long an access token is listed after its end; the audit log keeps it longer. */
const ENDED_TOKEN_DAYS = 90;
const DAY_MS = 24 * 60 * 60 * 1000;

/** Removes older rows, as many as one transaction may. True when there may be more. */
type Batch = (em: EntityManager, before: Date) => Promise<boolean>;

/** Deletes old rows of the logs, a limited number at a time, in the background. */
export class RetentionService {
  /** The last ended job whose steps this process has checked. */
  private lookedAt = { endedAt: '-infinity', id: '00000000-0000-0000-0000-000000000000' };

  constructor(
    private readonly db: Database,
    private readonly options: RetentionOptions,
  ) {}

  async prune(): Promise<void> {
    const { eventDays, trafficDays, auditDays } = this.options;
    await this.repeat(eventDays, pruneEvents);
    await this.repeat(eventDays, (em, before) => this.pruneJobSteps(em, before));
    await this.repeat(trafficDays, pruneTraffic);
    await this.repeat(auditDays, pruneAudit);
    await this.repeat(ENDED_TOKEN_DAYS, pruneTokens);
  }

  private async repeat(days: number, batch: Batch): Promise<void> {
    if (days === 0) return;
    const before = new Date(Date.now() - days * DAY_MS);
    for (let i = 0; i < BATCHES_AT_ONCE; i++) if (!(await this.db.asSystem((em) => batch(em, before)))) return;
  }

  /** Removes the steps of jobs that ended earlier, except the last step of each, because followers end with it. */
  private async pruneJobSteps(em: EntityManager, before: Date): Promise<boolean> {
    const jobs = await sql<{ id: string; ended: string }>(
      em,
      'select id, ended_at::text as ended from job where ended_at < ? and (ended_at, id) > (?::timestamptz, ' +
        '?::uuid) order by ended_at, id limit ?',
      [before, this.lookedAt.endedAt, this.lookedAt.id, JOBS_AT_ONCE],
    );
    const last = jobs.at(-1);
    if (!last) return false;
    const mayHaveMore = await filledBatch(
      em,
      `with old as (
         select e.job_id, e.seq from unnest(?::uuid[]) with ordinality looked (id, place)
           join job j on j.id = looked.id cross join lateral (
           select job_id, seq from job_event where job_id = j.id and seq < j.event_seq order by seq limit ?) e
         order by looked.place, e.seq limit ?),
       gone as (delete from job_event e using old where e.job_id = old.job_id and e.seq = old.seq returning 1)
       select count(*)::int as count from gone`,
      [jobs.map(({ id }) => id), BATCH, BATCH],
    );
    // The next call checks the same jobs again.
    if (mayHaveMore) return true;
    this.lookedAt = { endedAt: last.ended, id: last.id };
    return jobs.length === JOBS_AT_ONCE;
  }
}

/** Runs a statement that removes rows and counts them. True when it removed as many as it may. */
async function filledBatch(em: EntityManager, statement: string, params: unknown[]): Promise<boolean> {
  const [gone] = await sql<{ count: number }>(em, statement, params);
  return gone?.count === BATCH;
}

/** Keeps the newest event of each tenant, because new followers begin after it. */
function pruneEvents(em: EntityManager, before: Date): Promise<boolean> {
  return filledBatch(
    em,
    `with old as (
       select id from event e where id < ? and created_at < ? and seq < (select max(seq) from event newest
         where newest.tenant = e.tenant)
       order by id limit ? for update skip locked),
     gone as (delete from event using old where event.id = old.id returning event.tenant, event.seq),
     floors as (
       insert into log_floor (tenant, log, seq) select tenant, 'event', max(seq) from gone group by tenant
       on conflict (tenant, log) do update set seq = greatest(log_floor.seq, excluded.seq))
     select count(*)::int as count from gone`,
    [firstIdAt(before), before, BATCH],
  );
}

function pruneTraffic(em: EntityManager, before: Date): Promise<boolean> {
  return filledBatch(
    em,
    `with old as (
       select m.deployment_id, m.minute from deployment d cross join lateral (
         select deployment_id, minute from deployment_minute where deployment_id = d.id and minute < ?
           order by minute limit ?) m limit ?),
     gone as (delete from deployment_minute m using old where m.deployment_id = old.deployment_id
       and m.minute = old.minute returning 1)
     select count(*)::int as count from gone`,
    [before, BATCH, BATCH],
  );
}

function pruneAudit(em: EntityManager, before: Date): Promise<boolean> {
  return filledBatch(
    em,
    `with old as (select id from audit_log where id < ? and created_at < ? order by id limit ?),
     gone as (delete from audit_log using old where audit_log.id = old.id returning 1)
     select count(*)::int as count from gone`,
    [firstIdAt(before), before, BATCH],
  );
}

function pruneTokens(em: EntityManager, before: Date): Promise<boolean> {
  return filledBatch(
    em,
    `with old as (select id from access_token where expires_at < ? order by expires_at limit ?),
     gone as (delete from access_token using old where access_token.id = old.id returning 1)
     select count(*)::int as count from gone`,
    [before, BATCH],
  );
}

/** Ids begin with their creation time, and the index has this order. */
function firstIdAt(time: Date): string {
  const hex = time.getTime().toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}
