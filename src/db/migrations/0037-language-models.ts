import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const OF_ENDPOINT = `tenant text not null check (tenant <> ''), endpoint_id uuid primary key,
    foreign key (tenant, endpoint_id) references endpoint (tenant, id) on delete cascade`;

const TABLES = {
  // Prompts and answers that were sampled, after redaction.
  prompt_log: `
    endpoint_id uuid not null, deployment_id uuid not null, model_version_id uuid not null, request_id text not null,
    kind text not null check (kind in ('CHAT', 'COMPLETION')), prompt jsonb not null, answer text not null,
    finish_reason text check (finish_reason in ('STOP', 'LENGTH')), error_code text,
    prompt_tokens bigint not null check (prompt_tokens >= 0),
    completion_tokens bigint not null check (completion_tokens >= 0),
    first_token_ms double precision, latency_ms double precision not null,
    foreign key (tenant, endpoint_id) references endpoint (tenant, id) on delete cascade`,
};

const BULK_TABLES = {
  // What of an endpoint's prompts and answers is logged; nothing without a row.
  prompt_logging: `${OF_ENDPOINT}, sample_rate double precision not null check (sample_rate between 0 and 1),
    redact_prompt jsonb not null, redact_answer jsonb not null, updated_at timestamptz not null`,
  // Tokens of a deployment in a minute; its requests, errors and times are in deployment_minute.
  language_minute: `
    tenant text not null check (tenant <> ''), deployment_id uuid not null, minute timestamptz not null,
    prompt_tokens bigint not null default 0, completion_tokens bigint not null default 0,
    later_tokens bigint not null default 0, later_ms double precision not null default 0,
    primary key (deployment_id, minute),
    foreign key (tenant, deployment_id) references deployment (tenant, id) on delete cascade`,
  // Of a tenant, also of endpoints that are gone.
  token_use: `
    tenant text not null check (tenant <> ''), day timestamptz not null, tokens bigint not null check (tokens >= 0),
    primary key (tenant, day)`,
  // The newest one counts; null: no limit of the tenant's own.
  token_budget: `
    tenant text not null check (tenant <> ''), set_at timestamptz not null,
    tokens_per_day bigint check (tokens_per_day >= 0), primary key (tenant, set_at)`,
};

const TASKS = `'CLASSIFICATION', 'REGRESSION', 'CLUSTERING'`;

/** Language models: versions that a server has, their tokens, budgets and logged prompts. */
export class Migration0037LanguageModels extends Migration {
  override async up(): Promise<void> {
    this.addSql('alter table model_version add column language_model jsonb');
    this.addSql('alter table model drop constraint model_task_check');
    this.addSql(`alter table model add constraint model_task_check check
      (task in (${TASKS}, 'TEXT_GENERATION', 'OTHER'))`);
    for (const statement of createTables(TABLES, BULK_TABLES)) this.addSql(statement);
    this.addSql('create index prompt_log_by_endpoint on prompt_log (tenant, endpoint_id, created_at desc, id desc)');
    this.addSql('create index prompt_log_by_age on prompt_log (created_at)');
    this.addSql('create index language_minute_by_age on language_minute (minute)');
  }

  override async down(): Promise<void> {
    for (const statement of dropTables(TABLES, BULK_TABLES)) this.addSql(statement);
    this.addSql(`update model set task = 'OTHER' where task = 'TEXT_GENERATION'`);
    this.addSql('alter table model drop constraint model_task_check');
    this.addSql(`alter table model add constraint model_task_check check (task in (${TASKS}, 'OTHER'))`);
    this.addSql('alter table model_version drop column language_model');
  }
}
