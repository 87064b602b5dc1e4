import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

// Without a foreign key: the files of an endpoint or deployment that is gone are still to be removed.
const TABLES = {
  request_log_file: `
    endpoint_id uuid not null,
    deployment_id uuid not null,
    model_version_id uuid not null,
    hour timestamptz not null,
    requests bigint not null,
    rows bigint not null,
    object_key text not null,
    size_bytes bigint not null,
    sha256 text not null,
    unique (tenant, deployment_id, hour)`,
};

/** Hourly files of the log of predictions, how far each endpoint has them, and the requests that the log lost. */
export class Migration0046LogArchive extends Migration {
  override async up(): Promise<void> {
    for (const statement of createTables(TABLES, {})) this.addSql(statement);
    this.addSql('create index request_log_file_by_endpoint on request_log_file (tenant, endpoint_id, hour desc)');
    this.addSql(`alter table endpoint
      add column log_archive_days integer not null default 0 check (log_archive_days between 0 and 3650),
      add column log_archive_delay_hours integer not null default 0 check (log_archive_delay_hours between 0 and 8760),
      add column log_archived_until timestamptz`);
    this.addSql('alter table deployment_minute add column unlogged bigint not null default 0');
  }

  override async down(): Promise<void> {
    this.addSql('alter table deployment_minute drop column unlogged');
    this.addSql(`alter table endpoint drop column log_archive_days, drop column log_archive_delay_hours,
      drop column log_archived_until`);
    for (const statement of dropTables(TABLES, {})) this.addSql(statement);
  }
}
