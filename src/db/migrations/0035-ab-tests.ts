import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const TABLES = {
  ab_test: `
    updated_at timestamptz not null,
    name text not null,
    endpoint_id uuid not null,
    status text not null check (status in ('PLANNED', 'RUNNING', 'DECIDED', 'STOPPED')),
    rules jsonb not null,
    minimum_effect float8 not null,
    power float8 not null,
    standard_deviation float8,
    keys_per_day float8,
    min_hours float8 not null,
    max_hours float8 not null,
    when_decided text not null check (when_decided in ('KEEP_WEIGHTS', 'ROUTE_TO_WINNER')),
    started_at timestamptz,
    ended_at timestamptz,
    next_look_at timestamptz,
    decision jsonb,
    created_by text not null,
    unique (tenant, name),
    foreign key (tenant, endpoint_id) references endpoint (tenant, id) on delete cascade`,
};

const BULK_TABLES = {
  ab_test_key: `
    tenant text not null,
    test_id uuid not null,
    key text not null,
    deployment_id uuid,
    is_mixed boolean not null,
    requests float8 not null,
    errors float8 not null,
    latency_ms float8 not null,
    rows float8 not null,
    output float8 not null,
    past_requests float8 not null,
    past_errors float8 not null,
    past_latency_ms float8 not null,
    past_rows float8 not null,
    past_output float8 not null,
    primary key (test_id, key),
    foreign key (tenant, test_id) references ab_test (tenant, id) on delete cascade`,
  ab_test_outcome: `
    tenant text not null,
    test_id uuid not null,
    key text not null,
    metric text not null,
    count float8 not null,
    total float8 not null,
    past_count float8 not null,
    past_total float8 not null,
    primary key (test_id, metric, key),
    foreign key (tenant, test_id) references ab_test (tenant, id) on delete cascade`,
  ab_test_look: `
    tenant text not null,
    test_id uuid not null,
    seq bigint not null,
    created_at timestamptz not null,
    information float8,
    analysis jsonb not null,
    primary key (test_id, seq),
    foreign key (tenant, test_id) references ab_test (tenant, id) on delete cascade`,
};

const GATE_CHECK = (gates: string): string =>
  `alter table gate_result drop constraint gate_result_gate_check,
    add constraint gate_result_gate_check check (gate in (${gates}))`;

/** A/B tests with what each routing key has done, and a gate that a won test passes. */
export class Migration0035AbTests extends Migration {
  override async up(): Promise<void> {
    for (const statement of createTables(TABLES, BULK_TABLES)) this.addSql(statement);
    // One test at a time divides the traffic of an endpoint.
    this.addSql(`create unique index ab_test_active on ab_test (endpoint_id) where status in ('PLANNED', 'RUNNING')`);
    this.addSql('create index ab_test_by_look on ab_test (next_look_at) where next_look_at is not null');
    this.addSql(GATE_CHECK(`'EVALUATION', 'VALIDATION', 'SHADOW', 'AB_TEST'`));
  }

  override async down(): Promise<void> {
    this.addSql(`delete from gate_result where gate = 'AB_TEST'`);
    this.addSql(GATE_CHECK(`'EVALUATION', 'VALIDATION', 'SHADOW'`));
    for (const statement of dropTables(TABLES, BULK_TABLES)) this.addSql(statement);
  }
}
