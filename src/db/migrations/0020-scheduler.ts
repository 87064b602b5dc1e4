import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const TABLES = {
  tenant_share: `
    weight double precision not null check (weight > 0),
    quota jsonb not null default '{}',
    borrowing_limit jsonb not null default '{}',
    created_by text not null`,
};

/** Tenants get shares of the machines, and the worker processes say what they have. */
export class Migration0020Scheduler extends Migration {
  override async up(): Promise<void> {
    for (const statement of createTables(TABLES, {})) this.addSql(statement);
    this.addSql(`create table worker (
      id uuid primary key,
      slots int not null,
      cores double precision not null,
      memory_bytes bigint not null,
      gpus int not null,
      queues jsonb not null,
      seen_at timestamptz not null default now())`);
    this.addSql(`alter table worker enable row level security`);
    this.addSql(`alter table worker force row level security`);
    this.addSql(`create policy tenant on worker to matih_app using (false)`);
    this.addSql(`create policy system on worker to matih_system using (true)`);
    this.addSql(`grant select, insert, update, delete on worker to matih_system`);
    this.addSql(`alter table job
      add begun_at timestamptz,
      add used_ms bigint not null default 0 check (used_ms >= 0),
      add workers int not null default 1 check (workers >= 1),
      add max_duration_ms bigint check (max_duration_ms > 0),
      add paused_at timestamptz,
      add preempted_at timestamptz`);
    this.addSql(`update job set begun_at = started_at where status <> 'QUEUED'`);
  }

  override async down(): Promise<void> {
    this.addSql(`alter table job drop begun_at, drop used_ms, drop workers, drop max_duration_ms, drop paused_at,
      drop preempted_at`);
    this.addSql(`drop table worker`);
    for (const statement of dropTables(TABLES, {})) this.addSql(statement);
  }
}
