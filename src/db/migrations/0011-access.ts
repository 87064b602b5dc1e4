import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const TABLES: Record<string, string> = {
  access_token: `
    name text not null,
    role text not null check (role in ('VIEWER', 'ENGINEER', 'ADMIN')),
    scope text not null check (scope in ('EVERYTHING', 'READ', 'PREDICT', 'WRITE_RUN')),
    endpoint_ids jsonb not null default '[]',
    run_id uuid,
    expires_at timestamptz not null,
    last_used_at timestamptz,
    revoked_at timestamptz,
    created_by text not null,
    foreign key (tenant, run_id) references run (tenant, id) on delete set null (run_id)`,
};

/**
 * Tokens that this service issues, and the keys that sign them. The keys belong to no tenant, and no request can read
 * them.
 */
export class Migration0011 extends Migration {
  override async up(): Promise<void> {
    for (const statement of createTables(TABLES, {})) this.addSql(statement);
    this.addSql(`create index access_token_by_end on access_token (expires_at)`);
    this.addSql(`create table signing_key (
      id uuid primary key, created_at timestamptz not null default clock_timestamp(), secret text not null)`);
    this.addSql(`alter table signing_key enable row level security`);
    this.addSql(`alter table signing_key force row level security`);
    this.addSql(`create policy tenant on signing_key to matih_app using (false)`);
    this.addSql(`create policy system on signing_key to matih_system using (true)`);
    this.addSql(`grant select, insert, delete on signing_key to matih_system`);
  }

  override async down(): Promise<void> {
    this.addSql(`drop table signing_key`);
    for (const statement of dropTables(TABLES, {})) this.addSql(statement);
  }
}
