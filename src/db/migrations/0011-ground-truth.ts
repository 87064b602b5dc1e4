import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const TABLES: Record<string, string> = {
  // With the answer that it is compared with, because the logged prediction is deleted long before.
  ground_truth: `
    endpoint_id uuid not null,
    deployment_id uuid not null,
    prediction_id uuid not null,
    request_id text not null,
    row_index int not null check (row_index >= 0),
    predicted_at timestamptz not null,
    label text,
    value double precision,
    predicted_label text,
    predicted_value double precision,
    log_loss double precision,
    observed_at timestamptz,
    history jsonb not null default '[]',
    created_by text not null,
    updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
    unique (tenant, prediction_id, row_index),
    check (num_nonnulls(label, value) = 1),
    foreign key (tenant, deployment_id) references deployment (tenant, id) on delete cascade`,
};

/** Logged predictions can be found by their request and contain the answers; ground truth is recorded beside them. */
export class Migration0011GroundTruth extends Migration {
  override async up(): Promise<void> {
    for (const statement of createTables(TABLES, {})) this.addSql(statement);
    this.addSql(`create index ground_truth_by_deployment on ground_truth (tenant, deployment_id, predicted_at)`);
    this.addSql(`create index ground_truth_by_age on ground_truth using brin (created_at)`);
    this.addSql(`alter table prediction_log add answers jsonb`);
    this.addSql(`create index prediction_log_by_request on prediction_log (tenant, endpoint_id, request_id)`);
  }

  override async down(): Promise<void> {
    this.addSql(`drop index prediction_log_by_request`);
    this.addSql(`alter table prediction_log drop answers`);
    for (const statement of dropTables(TABLES, {})) this.addSql(statement);
  }
}
