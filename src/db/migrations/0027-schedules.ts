import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const TABLES = {
  schedule: `
    updated_at timestamptz not null,
    name text not null,
    kind text not null,
    template jsonb not null,
    newest_dataset boolean not null,
    production_version boolean not null,
    cron text,
    time_zone text,
    watched_dataset text,
    watched_version int,
    missed text not null check (missed in ('SKIP', 'START_ONCE')),
    overlap text not null check (overlap in ('SKIP', 'ALLOW', 'CANCEL_PREVIOUS')),
    paused_at timestamptz,
    due_at timestamptz not null,
    created_by text not null,
    unique (tenant, name),
    check (num_nonnulls(cron, time_zone) = 2 and num_nonnulls(watched_dataset, watched_version) = 0
      or num_nonnulls(cron, time_zone) = 0 and num_nonnulls(watched_dataset, watched_version) = 2)`,
  schedule_start: `
    schedule_id uuid not null,
    due_at timestamptz not null,
    outcome text not null check (outcome in ('STARTED', 'SKIPPED', 'MISSED', 'REFUSED')),
    job_id uuid,
    message text not null,
    foreign key (tenant, schedule_id) references schedule (tenant, id) on delete cascade`,
};

/**
 * Schedules start jobs by the clock, or when a dataset has a new version, and keep what became of each start. Jobs keep
 * why their last failed attempt failed.
 */
export class Migration0027Schedules extends Migration {
  override async up(): Promise<void> {
    for (const statement of createTables(TABLES, {})) this.addSql(statement);
    this.addSql('create index schedule_by_due on schedule (due_at)');
    this.addSql('create index schedule_by_watched on schedule (tenant, watched_dataset) where paused_at is null');
    this.addSql(
      'create index schedule_start_by_schedule on schedule_start (tenant, schedule_id, created_at desc, id desc)',
    );
    this.addSql(`alter table job
      add column failure_class text check (failure_class in
        ('MISTAKE', 'LIMIT', 'TIME', 'UNAVAILABLE', 'WORKER_LOST', 'UNEXPECTED')),
      add column failure_message text`);
    this.addSql('create index schedule_start_by_job on schedule_start (tenant, job_id) where job_id is not null');
  }

  override async down(): Promise<void> {
    this.addSql('alter table job drop column failure_class, drop column failure_message');
    for (const statement of dropTables(TABLES, {})) this.addSql(statement);
  }
}
