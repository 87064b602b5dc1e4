import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const TABLES: Record<string, string> = {
  // Data that external code has read or written: a reference with a digest, not a stored file.
  logged_dataset: `
    run_id uuid not null,
    direction text not null check (direction in ('INPUT', 'OUTPUT')),
    name text not null,
    digest text not null,
    source_type text not null,
    source text not null,
    schema text,
    profile text,
    tags jsonb not null default '{}',
    dataset_id uuid,
    unique (tenant, run_id, direction, name, digest),
    foreign key (tenant, run_id) references run (tenant, id) on delete cascade,
    foreign key (tenant, dataset_id) references dataset (tenant, id) on delete set null (dataset_id)`,
  // A model as a run created it, before registration: with its own files, parameters, tags and metrics.
  logged_model: `
    experiment_id uuid not null,
    run_id uuid,
    name text not null,
    status text not null default 'PENDING' check (status in ('PENDING', 'READY', 'FAILED')),
    status_message text,
    model_type text,
    params jsonb not null default '{}',
    tags jsonb not null default '{}',
    state text not null default 'ACTIVE' check (state in ('ACTIVE', 'DELETED')),
    deleted_at timestamptz,
    created_by text not null,
    updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
    foreign key (tenant, experiment_id) references experiment (tenant, id) on delete cascade,
    foreign key (tenant, run_id) references run (tenant, id) on delete set null (run_id)`,
  // Which logged models a run read, and which it created at which step.
  run_model: `
    run_id uuid not null,
    logged_model_id uuid not null,
    direction text not null check (direction in ('INPUT', 'OUTPUT')),
    step bigint not null default 0,
    unique (tenant, run_id, logged_model_id, direction, step),
    foreign key (tenant, run_id) references run (tenant, id) on delete cascade,
    foreign key (tenant, logged_model_id) references logged_model (tenant, id) on delete cascade`,
  model_alias: `
    model_id uuid not null,
    alias text not null,
    model_version_id uuid not null,
    created_by text not null,
    updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
    unique (tenant, model_id, alias),
    foreign key (tenant, model_id) references model (tenant, id) on delete cascade,
    foreign key (tenant, model_version_id) references model_version (tenant, id) on delete cascade`,
  // A person's decision about the next stage of a version; the newest decision of each person counts.
  approval: `
    model_version_id uuid not null,
    to_stage text not null check (to_stage in ('STAGING', 'PRODUCTION')),
    decision text not null check (decision in ('APPROVED', 'REJECTED')),
    reason text not null default '',
    created_by text not null,
    foreign key (tenant, model_version_id) references model_version (tenant, id) on delete cascade`,
  model_comment: `
    model_id uuid not null,
    model_version_id uuid,
    body text not null,
    created_by text not null,
    updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
    foreign key (tenant, model_id) references model (tenant, id) on delete cascade,
    foreign key (tenant, model_version_id) references model_version (tenant, id) on delete cascade`,
  webhook: `
    name text not null,
    url text not null,
    description text not null default '',
    format text not null default 'STANDARD' check (format in ('STANDARD', 'MLFLOW')),
    event_types jsonb not null,
    mlflow_events jsonb check ((mlflow_events is null) = (format = 'STANDARD')),
    model_id uuid,
    secret text not null,
    previous_secret text,
    previous_secret_until timestamptz,
    enabled boolean not null default true,
    created_by text not null,
    updated_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
    unique (tenant, name),
    foreign key (tenant, model_id) references model (tenant, id) on delete cascade`,
  webhook_delivery: `
    webhook_id uuid not null,
    event_id uuid,
    redelivery int not null default 0,
    status text not null default 'PENDING' check (status in ('PENDING', 'DELIVERED', 'FAILED')),
    attempts int not null default 0,
    next_attempt_at timestamptz not null default clock_timestamp(),
    response_status int,
    response_body text,
    error text,
    duration_ms double precision,
    ended_at timestamptz,
    unique (tenant, webhook_id, event_id, redelivery),
    foreign key (tenant, webhook_id) references webhook (tenant, id) on delete cascade,
    foreign key (tenant, event_id) references event (tenant, id) on delete cascade`,
  // An upload whose parts clients send directly to the object store: for a mutation, or for a path of a run or logged
  // model.
  direct_upload: `
    file_name text not null,
    object_key text not null,
    store_upload_id text not null,
    part_count int not null,
    size_bytes bigint,
    run_id uuid,
    logged_model_id uuid,
    path text,
    created_by text not null,
    check (num_nonnulls(run_id, logged_model_id) = num_nonnulls(path)),
    foreign key (tenant, run_id) references run (tenant, id) on delete cascade,
    foreign key (tenant, logged_model_id) references logged_model (tenant, id) on delete cascade`,
  // The id of an object in another tracking server. An import from that server, or mirroring to it, creates the row.
  external_ref: `
    server text not null,
    kind text not null check (kind in ('EXPERIMENT', 'RUN', 'MODEL', 'MODEL_VERSION', 'LOGGED_MODEL')),
    external_id text not null,
    local_id uuid not null,
    synced jsonb not null default '{}',
    unique (tenant, server, kind, external_id),
    unique (tenant, server, kind, local_id)`,
};

/** Tables without an id column: many rows, whose key is that of their owner. */
const BULK_TABLES: Record<string, string> = {
  logged_model_metric: `
    tenant text not null, logged_model_id uuid not null, run_id uuid not null, key text not null, step bigint not null, logged_at timestamptz not null,
    value double precision not null, dataset_name text not null default '', dataset_digest text not null default '',
    primary key (logged_model_id, run_id, key, step, logged_at, value, dataset_name, dataset_digest),
    foreign key (tenant, logged_model_id) references logged_model (tenant, id) on delete cascade,
    foreign key (tenant, run_id) references run (tenant, id) on delete cascade`,
  // The least and the greatest value of blocks of a long metric's points. The first read of the metric creates them,
  // and they exist as long as the run.
  metric_summary: `
    tenant text not null, run_id uuid not null, key text not null, width bigint not null check (width > 0), next_seq bigint not null,
    primary key (tenant, run_id, key),
    foreign key (tenant, run_id) references run (tenant, id) on delete cascade`,
  metric_block: `
    tenant text not null, run_id uuid not null, key text not null, block bigint not null,
    low double precision not null, low_seq bigint not null, high double precision not null, high_seq bigint not null, nan_seq bigint not null,
    primary key (run_id, key, block),
    foreign key (tenant, run_id, key) references metric_summary (tenant, run_id, key) on delete cascade`,
  // What a job needs to know and nobody may read; deleted when the job ends.
  job_secret: `
    tenant text not null, job_id uuid not null primary key, secret jsonb not null,
    foreign key (tenant, job_id) references job (tenant, id) on delete cascade`,
  run_log: `
    tenant text not null, run_id uuid not null, seq bigint not null, logged_at timestamptz not null, stream text not null, line text not null,
    primary key (run_id, seq),
    foreign key (tenant, run_id) references run (tenant, id) on delete cascade`,
  // Objects that have changed since they were last mirrored; marked in the transaction of the change.
  mirror_task: `
    tenant text not null, kind text not null, local_id uuid not null, changed_at timestamptz not null default clock_timestamp(),
    failures int not null default 0, not_before timestamptz not null default clock_timestamp(), error text,
    primary key (tenant, kind, local_id)`,
};

const ALTERATIONS = [
  `alter table experiment
     add is_default boolean not null default false,
     add artifact_location text,
     add deleted_at timestamptz`,
  `create unique index experiment_one_default on experiment (tenant) where is_default`,
  `alter table run
     add parent_run_id uuid,
     add state text not null default 'ACTIVE' check (state in ('ACTIVE', 'DELETED')),
     add deleted_at timestamptz,
     add last_log_seq bigint not null default 0,
     add foreign key (tenant, parent_run_id) references run (tenant, id) on delete set null (parent_run_id)`,
  // Values can be too long for an index. Their beginning is used for the order, and to find values with a given
  // beginning.
  ...['run_param', 'run_tag'].flatMap((table) => [
    `alter table ${table} add value_start text collate "C" not null generated always as (left(value, 100)) stored`,
    `create index ${table}_by_start on ${table} (tenant, key, value_start, run_id)`,
    // A value mostly belongs to one key. If PostgreSQL considered them independent, a search would estimate far too
    // many runs.
    `create statistics ${table}_statistics on key, value_start from ${table}`,
  ]),
  // The order of MLflow's run search.
  `create index run_by_start on run (tenant, started_at desc, id)`,
  `create index run_by_name on run (tenant, name collate "C", started_at desc, id)`,
  `create index run_by_parent on run (tenant, parent_run_id) where parent_run_id is not null`,
  `create index run_deleted on run (tenant, deleted_at) where state = 'DELETED'`,
  // A version with files of another framework has no model.onnx until a conversion makes one.
  `alter table model_version
     alter source_key drop not null,
     alter object_key drop not null,
     alter size_bytes drop not null,
     alter sha256 drop not null,
     alter signature drop not null,
     add source_uri text,
     add run_link text,
     add logged_model_id uuid,
     add framework text,
     add source_folder jsonb,
     add conversion jsonb,
     add foreign key (tenant, logged_model_id) references logged_model (tenant, id)`,
  `alter table model add gate_policy jsonb, add folder text`,
  `alter table endpoint add follow_alias text, add check (num_nonnulls(follow_stage, follow_alias) <= 1)`,
  `alter table deployment add followed_alias text`,
  `update model set folder = name`,
  `alter table model alter folder set not null, add constraint model_folder unique (tenant, folder)`,
  `alter table gate_result add demands jsonb, add compared_with_id uuid,
     add foreign key (tenant, compared_with_id) references model_version (tenant, id) on delete
       set null (compared_with_id)`,
  'create unique index model_version_one_semantic on model_version (tenant, model_id, semantic_version) ' +
    `where status <> 'FAILED'`,
  `alter table artifact drop constraint artifact_check, add logged_model_id uuid,
     add foreign key (tenant, logged_model_id) references logged_model (tenant, id) on delete cascade`,
  'alter table artifact add constraint artifact_check check (num_nonnulls(run_id, model_version_id, job_id, ' +
    'logged_model_id) = 1)',
  `alter table artifact drop constraint artifact_tenant_run_id_model_version_id_job_id_path_key`,
  'create unique index artifact_one_per_path on artifact (tenant, run_id, model_version_id, job_id, ' +
    'logged_model_id, path) nulls not distinct',
  `create index artifact_by_logged_model on artifact (tenant, logged_model_id, path) where logged_model_id is not null`,
  `alter table job drop constraint job_kind_check`,
  `alter table job add constraint job_kind_check check (kind in ('TRAINING', 'EVALUATION', 'VALIDATION',
    'BATCH_INFERENCE',
     'CONVERSION', 'GARBAGE_COLLECTION', 'RUN_ARCHIVE', 'EXPERIMENT_EXPORT', 'EXPERIMENT_IMPORT', 'MLFLOW_IMPORT'))`,
  `create index logged_dataset_by_digest on logged_dataset (tenant, name, digest)`,
  `create index logged_dataset_by_dataset on logged_dataset (tenant, dataset_id) where dataset_id is not null`,
  `create index logged_model_by_experiment on logged_model (tenant, experiment_id, created_at desc, id desc)`,
  `create index logged_model_by_run on logged_model (tenant, run_id)`,
  `create index run_model_by_model on run_model (tenant, logged_model_id)`,
  'create index model_version_by_logged_model on model_version (tenant, logged_model_id) where ' +
    'logged_model_id is not null',
  `create index job_by_dataset on job (tenant, dataset_id) where dataset_id is not null`,
  `create index alert_by_deployment on alert (tenant, deployment_id)`,
  `create index model_alias_by_version on model_alias (tenant, model_version_id)`,
  `create index approval_by_version on approval (tenant, model_version_id, created_at desc)`,
  `create index model_comment_by_model on model_comment (tenant, model_id, created_at desc, id desc)`,
  `create index webhook_delivery_by_webhook on webhook_delivery (tenant, webhook_id, created_at desc, id desc)`,
  `create index webhook_delivery_due on webhook_delivery (webhook_id, next_attempt_at) where status = 'PENDING'`,
  `create index webhook_delivery_by_end on webhook_delivery (ended_at) where ended_at is not null`,
  `create index external_ref_by_local on external_ref (tenant, local_id)`,
  `create index mirror_task_due on mirror_task (not_before)`,
];

/** Returns to the schema of 0001; rows that it cannot hold are deleted. */
const UNDONE = [
  `drop index run_by_start, run_by_name`,
  `alter table run_param drop value_start`,
  `alter table run_tag drop value_start`,
  `drop index job_by_dataset, alert_by_deployment`,
  `alter table job drop constraint job_kind_check`,
  `delete from job where kind not in ('TRAINING', 'EVALUATION', 'VALIDATION', 'BATCH_INFERENCE')`,
  `alter table job add constraint job_kind_check check (kind in ('TRAINING', 'EVALUATION', 'VALIDATION', ` +
    `'BATCH_INFERENCE'))`,
  `drop index artifact_one_per_path`,
  `alter table artifact drop constraint artifact_check`,
  `delete from artifact where logged_model_id is not null`,
  `alter table artifact drop logged_model_id`,
  `alter table artifact add constraint artifact_check check (num_nonnulls(run_id, model_version_id, job_id) = 1)`,
  `alter table artifact add constraint artifact_tenant_run_id_model_version_id_job_id_path_key
     unique nulls not distinct (tenant, run_id, model_version_id, job_id, path)`,
  `alter table endpoint drop follow_alias`,
  `alter table deployment drop followed_alias`,
  `alter table model drop gate_policy, drop folder`,
  `alter table gate_result drop demands, drop compared_with_id`,
  `drop index model_version_one_semantic`,
  `delete from model_version where object_key is null`,
  `alter table model_version
     drop source_uri, drop run_link, drop logged_model_id, drop framework, drop source_folder, drop conversion,
     alter source_key set not null, alter object_key set not null, alter size_bytes set not null, alter sha256
       set not null,
     alter signature set not null`,
  `alter table run drop parent_run_id, drop state, drop deleted_at, drop last_log_seq`,
  `alter table experiment drop is_default, drop artifact_location, drop deleted_at`,
];

/** Nested and deletable runs, datasets and models as clients log them, a fuller registry, other tracking servers. */
export class Migration0002 extends Migration {
  override async up(): Promise<void> {
    for (const statement of createTables(TABLES, BULK_TABLES)) this.addSql(statement);
    for (const statement of ALTERATIONS) this.addSql(statement);
  }

  override async down(): Promise<void> {
    for (const statement of UNDONE) this.addSql(statement);
    for (const statement of dropTables(TABLES, BULK_TABLES)) this.addSql(statement);
  }
}
