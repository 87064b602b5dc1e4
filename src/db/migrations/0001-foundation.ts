// one file because a migration is one version of the schema.
import { Migration } from '@mikro-orm/migrations';

/** Every table carries its tenant, and forced row-level security stands behind the services' own checks. */
const TABLES: Record<string, string> = {
  experiment: `
    name text not null,
    description text not null default '',
    tags jsonb not null default '{}',
    state text not null default 'ACTIVE' check (state in ('ACTIVE', 'DELETED')),
    created_by text not null,
    updated_at timestamptz not null default now(),
    unique (tenant, name)`,
  upload: `
    file_name text not null,
    object_key text not null,
    size_bytes bigint not null,
    sha256 text not null,
    created_by text not null`,
  dataset: `
    name text not null,
    version int not null check (version > 0),
    description text not null default '',
    format text not null check (format in ('CSV', 'JSON', 'PARQUET')),
    object_key text not null,
    size_bytes bigint not null,
    sha256 text not null,
    row_count bigint not null,
    columns jsonb not null,
    source text not null,
    created_by text not null,
    unique (tenant, name, version)`,
  run: `
    experiment_id uuid not null,
    name text not null,
    status text not null default 'RUNNING' check (status in ('QUEUED', 'RUNNING', 'FINISHED', 'FAILED', 'KILLED')),
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    created_by text not null,
    foreign key (tenant, experiment_id) references experiment (tenant, id)`,
  run_dataset: `
    run_id uuid not null,
    dataset_id uuid not null,
    role text not null check (role in ('TRAINING', 'EVALUATION', 'BATCH_INPUT')),
    unique (tenant, run_id, dataset_id, role),
    foreign key (tenant, run_id) references run (tenant, id) on delete cascade,
    foreign key (tenant, dataset_id) references dataset (tenant, id)`,
  model: `
    name text not null,
    description text not null default '',
    model_type text not null,
    framework text not null,
    task text not null check (task in ('CLASSIFICATION', 'REGRESSION', 'CLUSTERING', 'OTHER')),
    last_version int not null default 0,
    tags jsonb not null default '{}',
    created_by text not null,
    updated_at timestamptz not null default now(),
    unique (tenant, name)`,
  model_version: `
    model_id uuid not null,
    version int not null check (version > 0),
    semantic_version text not null,
    stage text not null default 'DEVELOPMENT' check (stage in ('DEVELOPMENT', 'STAGING', 'PRODUCTION', 'ARCHIVED')),
    status text not null default 'PENDING' check (status in ('PENDING', 'READY', 'FAILED')),
    description text not null default '',
    error text,
    run_id uuid,
    source_key text not null,
    object_key text not null,
    size_bytes bigint not null,
    sha256 text not null,
    signature jsonb not null,
    metrics json not null default '{}',
    reference jsonb,
    agreement_max_abs_diff double precision,
    tags jsonb not null default '{}',
    created_by text not null,
    updated_at timestamptz not null default now(),
    unique (tenant, model_id, version),
    foreign key (tenant, model_id) references model (tenant, id) on delete cascade,
    foreign key (tenant, run_id) references run (tenant, id)`,
  stage_transition: `
    model_id uuid not null,
    model_version_id uuid not null,
    from_stage text not null,
    to_stage text not null,
    reason text not null default '',
    override boolean not null default false,
    created_by text not null,
    foreign key (tenant, model_version_id) references model_version (tenant, id) on delete cascade`,
  gate_result: `
    model_version_id uuid not null,
    gate text not null check (gate in ('EVALUATION', 'VALIDATION', 'SHADOW')),
    passed boolean not null,
    checks jsonb not null,
    created_by text not null,
    foreign key (tenant, model_version_id) references model_version (tenant, id) on delete cascade`,
  evaluation: `
    model_version_id uuid not null,
    baseline_version_id uuid,
    dataset_id uuid not null,
    report json not null,
    markdown_key text not null,
    created_by text not null,
    foreign key (tenant, model_version_id) references model_version (tenant, id) on delete cascade,
    foreign key (tenant, baseline_version_id) references model_version (tenant, id) on delete set null (baseline_version_id),
    foreign key (tenant, dataset_id) references dataset (tenant, id)`,
  endpoint: `
    name text not null,
    model_id uuid not null,
    follow_stage text check (follow_stage in ('STAGING', 'PRODUCTION')),
    sla_latency_p95_ms double precision not null,
    log_sample_rate double precision not null check (log_sample_rate between 0 and 1),
    created_by text not null,
    updated_at timestamptz not null default now(),
    unique (tenant, name),
    foreign key (tenant, model_id) references model (tenant, id)`,
  deployment: `
    endpoint_id uuid not null,
    model_version_id uuid not null,
    mode text not null check (mode in ('LIVE', 'SHADOW')),
    weight_bps int not null default 0 check (weight_bps between 0 and 10000),
    followed_stage text check (followed_stage in ('STAGING', 'PRODUCTION')),
    engine text not null,
    status text not null default 'PENDING' check (status in ('PENDING', 'READY', 'FAILED', 'STOPPED')),
    error text,
    ended_at timestamptz,
    created_by text not null,
    updated_at timestamptz not null default now(),
    foreign key (tenant, endpoint_id) references endpoint (tenant, id) on delete cascade,
    foreign key (tenant, model_version_id) references model_version (tenant, id)`,
  job: `
    kind text not null check (kind in ('TRAINING', 'EVALUATION', 'VALIDATION', 'BATCH_INFERENCE')),
    status text not null default 'QUEUED' check (status in ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
    attempt int not null default 1,
    enqueued_attempt int not null default 0,
    failures int not null default 0,
    run_id uuid,
    model_version_id uuid,
    dataset_id uuid,
    alert_id uuid,
    config jsonb not null,
    result jsonb,
    progress double precision not null default 0,
    message text not null default '',
    error_code text,
    error_message text,
    event_seq bigint not null default 0,
    heartbeat_at timestamptz,
    enqueued_at timestamptz,
    not_before timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    created_by text not null,
    foreign key (tenant, run_id) references run (tenant, id),
    foreign key (tenant, model_version_id) references model_version (tenant, id) on delete set null (model_version_id),
    foreign key (tenant, dataset_id) references dataset (tenant, id)`,
  artifact: `
    run_id uuid,
    model_version_id uuid,
    job_id uuid,
    path text not null,
    object_key text not null,
    size_bytes bigint not null,
    sha256 text not null,
    content_type text not null,
    unique nulls not distinct (tenant, run_id, model_version_id, job_id, path),
    check (num_nonnulls(run_id, model_version_id, job_id) = 1),
    foreign key (tenant, run_id) references run (tenant, id) on delete cascade,
    foreign key (tenant, model_version_id) references model_version (tenant, id) on delete cascade,
    foreign key (tenant, job_id) references job (tenant, id) on delete cascade`,
  checkpoint: `
    job_id uuid not null,
    attempt int not null,
    epoch int not null,
    object_key text not null,
    size_bytes bigint not null,
    sha256 text not null,
    unique (tenant, job_id, epoch, attempt),
    foreign key (tenant, job_id) references job (tenant, id) on delete cascade`,
  prediction_log: `
    endpoint_id uuid not null,
    deployment_id uuid not null,
    model_version_id uuid not null,
    mode text not null,
    request_id text not null,
    rows int not null,
    latency_ms double precision not null,
    error_code text,
    inputs jsonb not null,
    scores jsonb not null,
    foreign key (tenant, deployment_id) references deployment (tenant, id) on delete cascade`,
  monitoring_window: `
    deployment_id uuid not null,
    window_from timestamptz not null,
    window_to timestamptz not null,
    rows int not null,
    requests bigint not null,
    report jsonb not null,
    foreign key (tenant, deployment_id) references deployment (tenant, id) on delete cascade`,
  alert: `
    kind text not null check (kind in ('DRIFT', 'LATENCY', 'ERROR_RATE')),
    status text not null default 'OPEN' check (status in ('OPEN', 'RESOLVED')),
    model_id uuid not null,
    endpoint_id uuid not null,
    deployment_id uuid not null,
    value double precision not null,
    threshold double precision not null,
    message text not null,
    details jsonb not null default '{}',
    clean_windows int not null default 0,
    updated_at timestamptz not null default now(),
    resolved_at timestamptz,
    foreign key (tenant, deployment_id) references deployment (tenant, id) on delete cascade`,
  retraining_policy: `
    model_id uuid not null,
    dataset_name text not null,
    enabled boolean not null default true,
    alert_kinds jsonb not null default '["DRIFT"]',
    cooldown_ms bigint not null,
    budget_per_30_days int not null,
    created_by text not null,
    updated_at timestamptz not null default now(),
    unique (tenant, model_id),
    foreign key (tenant, model_id) references model (tenant, id) on delete cascade`,
  event: `
    type text not null,
    subject_type text not null,
    subject_id uuid not null,
    model_id uuid,
    endpoint_id uuid,
    payload jsonb not null,
    seq bigint unique`,
  audit_log: `
    actor text not null,
    role text not null,
    action text not null,
    subject_type text not null,
    subject_id text not null,
    before jsonb,
    after jsonb,
    request_id text not null`,
};

/** A value can be longer than an index takes. A column and not an expression: row-level security keeps expressions from indexes. */
const VALUE_HASH = 'value_hash bigint not null generated always as (hashtextextended(value, 0)) stored';

/** Tables without an id of their own: bulk rows keyed by what they belong to. */
const BULK_TABLES: Record<string, string> = {
  run_param: `
    tenant text not null, run_id uuid not null, key text not null, value text not null, ${VALUE_HASH},
    primary key (run_id, key),
    foreign key (tenant, run_id) references run (tenant, id) on delete cascade`,
  run_tag: `
    tenant text not null, run_id uuid not null, key text not null, value text not null, ${VALUE_HASH},
    primary key (run_id, key),
    foreign key (tenant, run_id) references run (tenant, id) on delete cascade`,
  run_counter: `
    tenant text not null, run_id uuid primary key, last_seq bigint not null default 0,
    foreign key (tenant, run_id) references run (tenant, id) on delete cascade`,
  staged_object: `
    tenant text not null, object_key text primary key, created_at timestamptz not null default clock_timestamp()`,
  // No foreign key: checking one per point takes a third of a bulk insert. Points come only with their run's counter row locked.
  metric_point: `
    tenant text not null, run_id uuid not null, key text not null, step bigint not null, logged_at timestamptz not null,
    value double precision not null, seq bigint not null,
    primary key (run_id, key, step, logged_at, value)`,
  metric_latest: `
    tenant text not null, run_id uuid not null, key text not null, step bigint not null, logged_at timestamptz not null,
    value double precision not null,
    primary key (run_id, key),
    foreign key (tenant, run_id) references run (tenant, id) on delete cascade`,
  job_event: `
    tenant text not null, job_id uuid not null, seq bigint not null, created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
    status text not null, attempt int not null, progress double precision not null, message text not null,
    primary key (job_id, seq),
    foreign key (tenant, job_id) references job (tenant, id) on delete cascade`,
  deployment_minute: `
    tenant text not null, deployment_id uuid not null, minute timestamptz not null,
    requests bigint not null default 0, rows bigint not null default 0, errors bigint not null default 0,
    latency_counts bigint[] not null, disagreements bigint not null default 0, compared_rows bigint not null default 0,
    score_sum double precision not null default 0,
    primary key (deployment_id, minute),
    foreign key (tenant, deployment_id) references deployment (tenant, id) on delete cascade`,
  // How far monitoring has judged a deployment's traffic: logged rows up to a place, counters up to what was counted since a minute.
  monitoring_cursor: `
    tenant text not null, deployment_id uuid primary key,
    logged_after timestamptz not null, logged_after_id uuid not null,
    counted_since timestamptz not null, counted jsonb not null,
    foreign key (tenant, deployment_id) references deployment (tenant, id) on delete cascade`,
};

const INDEXES = [
  `create unique index model_version_one_production on model_version (tenant, model_id) where stage = 'PRODUCTION'`,
  `create unique index alert_one_open on alert (tenant, deployment_id, kind) where status = 'OPEN'`,
  `create unique index deployment_one_per_version on deployment (tenant, endpoint_id, model_version_id) where status in ('PENDING', 'READY')`,
  `create index run_by_experiment on run (tenant, experiment_id, created_at desc, id desc)`,
  `create index run_by_status on run (tenant, status, created_at desc, id desc)`,
  `create index metric_point_by_seq on metric_point (run_id, seq)`,
  `create index metric_latest_by_value on metric_latest (tenant, key, value, run_id)`,
  `create index run_param_by_value on run_param (tenant, key, value_hash, run_id)`,
  `create index run_tag_by_value on run_tag (tenant, key, value_hash, run_id)`,
  `create index run_dataset_by_dataset on run_dataset (tenant, dataset_id)`,
  `create index dataset_by_sha256 on dataset (tenant, sha256)`,
  `create index model_version_by_stage on model_version (tenant, stage, model_id)`,
  `create index model_version_by_run on model_version (tenant, run_id)`,
  `create index stage_transition_by_model on stage_transition (tenant, model_id, created_at desc)`,
  `create index stage_transition_by_version on stage_transition (tenant, model_version_id, created_at desc)`,
  `create index gate_result_by_version on gate_result (tenant, model_version_id, gate, created_at desc)`,
  `create index evaluation_by_version on evaluation (tenant, model_version_id, created_at desc)`,
  `create index deployment_by_endpoint on deployment (tenant, endpoint_id, created_at)`,
  `create index deployment_by_version on deployment (tenant, model_version_id)`,
  `create index deployment_pending on deployment (created_at) where status = 'PENDING'`,
  `create index endpoint_by_model on endpoint (tenant, model_id)`,
  `create index staged_object_by_age on staged_object (created_at)`,
  `create index job_by_kind on job (tenant, kind, created_at desc, id desc)`,
  `create index job_by_run on job (tenant, run_id)`,
  `create index job_by_version on job (tenant, model_version_id)`,
  `create unique index job_one_per_alert on job (tenant, alert_id) where alert_id is not null`,
  `create index job_by_end on job (ended_at) where ended_at is not null`,
  `create index job_unfinished on job (status, heartbeat_at) where status in ('QUEUED', 'RUNNING')`,
  `create index prediction_log_by_deployment on prediction_log (tenant, deployment_id, created_at)`,
  `create index prediction_log_by_age on prediction_log using brin (created_at)`,
  `create index monitoring_window_by_deployment on monitoring_window (tenant, deployment_id, window_to desc)`,
  `create index alert_by_model on alert (tenant, model_id, created_at desc)`,
  `create index event_by_seq on event (tenant, seq)`,
  `create index event_unnumbered on event (created_at) where seq is null`,
  `create index audit_log_by_subject on audit_log (tenant, subject_type, subject_id, created_at desc)`,
];

export class Migration0001 extends Migration {
  override async up(): Promise<void> {
    // A server may have taken this from everybody.
    this.addSql(`grant usage on schema public to matih_app, matih_system`);
    for (const [table, columns] of Object.entries(TABLES)) {
      this.addSql(`create table ${table} (
        id uuid primary key,
        tenant text not null check (tenant <> ''),
        created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
        ${columns.trim()},
        unique (tenant, id))`);
      this.addSql(`create index ${table}_by_created on ${table} (tenant, created_at desc, id desc)`);
    }
    for (const [table, columns] of Object.entries(BULK_TABLES)) {
      this.addSql(`create table ${table} (${columns})`);
    }
    for (const index of INDEXES) this.addSql(index);
    this.addSql(`create sequence event_seq owned by event.seq`);
    for (const table of [...Object.keys(TABLES), ...Object.keys(BULK_TABLES)]) {
      this.addSql(`alter table ${table} enable row level security`);
      this.addSql(`alter table ${table} force row level security`);
      this.addSql(`create policy tenant on ${table} to matih_app using (tenant = current_setting('matih.tenant', true))`);
      this.addSql(`create policy system on ${table} to matih_system using (true)`);
      const verbs = table === 'audit_log' ? 'select, insert' : 'select, insert, update, delete';
      this.addSql(`grant ${verbs} on ${table} to matih_app, matih_system`);
    }
    this.addSql(`grant usage on sequence event_seq to matih_system`);
  }

  override async down(): Promise<void> {
    for (const table of [...Object.keys(BULK_TABLES), ...Object.keys(TABLES)].reverse()) {
      this.addSql(`drop table ${table} cascade`);
    }
  }
}
