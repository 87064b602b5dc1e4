import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const BULK_TABLES = {
  ab_test_answer: `
    tenant text not null,
    test_id uuid not null,
    id uuid not null,
    key text not null,
    request_id text not null,
    deployment_id uuid not null,
    model_version_id uuid not null,
    answered_at timestamptz not null,
    labels jsonb,
    "values" jsonb,
    primary key (test_id, id),
    check (num_nonnulls(labels, "values") = 1),
    foreign key (tenant, test_id) references ab_test (tenant, id) on delete cascade`,
};

/** The answers that a running A/B test compares with ground truth. */
export class Migration0048AbTestAnswers extends Migration {
  override up(): void {
    for (const statement of createTables({}, BULK_TABLES)) this.addSql(statement);
    this.addSql('create index ab_test_answer_by_request on ab_test_answer (test_id, request_id)');
  }

  override down(): void {
    for (const statement of dropTables({}, BULK_TABLES)) this.addSql(statement);
  }
}
