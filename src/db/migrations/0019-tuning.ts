import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

// Without a foreign key from study.job_id: a second update of a study in one transaction would lock its job, which a
// worker locks before the study.
const TABLES = {
  study: `
    experiment_id uuid not null,
    run_id uuid not null,
    job_id uuid,
    dataset_id uuid,
    name text not null,
    status text not null default 'RUNNING' check (status in ('RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
    spec jsonb not null,
    stop_rule jsonb not null,
    prior_trials jsonb not null default '[]',
    next_number int not null default 0,
    event_seq bigint not null default 0,
    reason text,
    started_at timestamptz not null,
    ended_at timestamptz,
    created_by text not null,
    foreign key (tenant, experiment_id) references experiment (tenant, id) on delete cascade,
    foreign key (tenant, run_id) references run (tenant, id) on delete cascade,
    foreign key (tenant, dataset_id) references dataset (tenant, id) on delete set null (dataset_id)`,
  trial: `
    study_id uuid not null,
    number int not null check (number >= 0),
    seq bigint not null,
    status text not null
      check (status in ('QUEUED', 'RUNNING', 'COMPLETE', 'PRUNED', 'FAILED', 'CANCELLED')),
    params jsonb not null,
    "values" float8[],
    standard_errors float8[],
    violations float8[],
    score float8 not null,
    report_steps bigint[] not null default '{}',
    report_values float8[] not null default '{}',
    reason text,
    failures int not null default 0,
    alive_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    unique (tenant, study_id, number),
    foreign key (tenant, study_id) references study (tenant, id) on delete cascade`,
};

const BULK_TABLES = {
  trial_run: `
    tenant text not null, trial_id uuid not null, repeat int not null check (repeat >= 0),
    run_id uuid not null, job_id uuid, metric_seq bigint not null default 0, "values" float8[],
    primary key (trial_id, repeat),
    foreign key (tenant, trial_id) references trial (tenant, id) on delete cascade,
    foreign key (tenant, run_id) references run (tenant, id) on delete cascade,
    foreign key (tenant, job_id) references job (tenant, id) on delete set null (job_id)`,
};

/** Hyperparameter tuning: studies, their trials, and the runs of the trials. */
export class Migration0019Tuning extends Migration {
  override async up(): Promise<void> {
    for (const statement of createTables(TABLES, BULK_TABLES)) this.addSql(statement);
    this.addSql('create index study_by_run on study (tenant, run_id)');
    this.addSql('create index study_by_job on study (tenant, job_id) where job_id is not null');
    this.addSql('create index study_by_experiment on study (tenant, experiment_id, created_at desc, id desc)');
    this.addSql('create index trial_by_seq on trial (tenant, study_id, seq)');
    this.addSql('create index trial_by_score on trial (tenant, study_id, score, id)');
    this.addSql('create index trial_by_status on trial (tenant, study_id, status)');
    this.addSql(
      `create index trial_unfinished on trial (tenant, study_id, number) where status in ('QUEUED', 'RUNNING')`,
    );
    // For the look after outside trainers, in all tenants.
    this.addSql(`create index trial_alive on trial (alive_at) where status = 'RUNNING'`);
    this.addSql(`create index study_outside on study (started_at) where status = 'RUNNING' and job_id is null`);
    this.addSql('create index trial_run_by_run on trial_run (tenant, run_id)');
    this.addSql('create index trial_run_by_job on trial_run (tenant, job_id) where job_id is not null');
  }

  override async down(): Promise<void> {
    for (const statement of dropTables(TABLES, BULK_TABLES)) this.addSql(statement);
  }
}
