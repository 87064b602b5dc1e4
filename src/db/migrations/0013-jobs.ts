import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

/** Kinds of jobs that older releases know. */
const KINDS = `'TRAINING', 'EVALUATION', 'VALIDATION', 'BATCH_INFERENCE', 'CONVERSION', 'GARBAGE_COLLECTION', 'RUN_ARCHIVE',
  'EXPERIMENT_EXPORT', 'EXPERIMENT_IMPORT', 'MLFLOW_IMPORT', 'RELEASE'`;

const TABLES = {
  // The objects that a job is about. A job and its subjects are written in one transaction, in any order.
  job_subject: `
    tenant text not null, job_id uuid not null, type text not null check (type ~ '^[a-z][A-Za-z0-9]{0,49}$'), subject_id uuid not null,
    primary key (job_id, type, subject_id),
    foreign key (tenant, job_id) references job (tenant, id) on delete cascade deferrable initially deferred`,
};

/** The subjects that were only columns before. */
const COLUMNS = { run: 'run_id', modelVersion: 'model_version_id', dataset: 'dataset_id', alert: 'alert_id' };

/**
 * A kind of job can have any name. Jobs get a priority, a parent, resources, subjects, and a handle for work that runs
 * elsewhere.
 */
export class Migration0013Jobs extends Migration {
  override async up(): Promise<void> {
    this.addSql('alter table job drop constraint job_kind_check');
    this.addSql(`alter table job
      add constraint job_kind_check check (kind ~ '^[A-Z][A-Z0-9_]{0,49}$'),
      add parent_id uuid,
      add priority int not null default 0 check (priority between -100 and 100),
      add queue text not null default 'default' check (queue ~ '^[a-z][a-z0-9-]{0,49}$'),
      add cores double precision not null default 0 check (cores >= 0),
      add memory_bytes bigint not null default 0 check (memory_bytes >= 0),
      add gpus int not null default 0 check (gpus >= 0),
      add external_backend text,
      add external_id text,
      add external_state text,
      add check ((external_backend is null) = (external_id is null)),
      add foreign key (tenant, parent_id) references job (tenant, id) on delete set null (parent_id)`);
    this.addSql('create index job_by_parent on job (tenant, parent_id) where parent_id is not null');
    for (const statement of createTables({}, TABLES)) this.addSql(statement);
    this.addSql('create index job_subject_by_subject on job_subject (tenant, type, subject_id)');
    for (const [type, column] of Object.entries(COLUMNS))
      this.addSql(`insert into job_subject (tenant, job_id, type, subject_id)
        select tenant, id, '${type}', ${column} from job where ${column} is not null`);
  }

  override async down(): Promise<void> {
    for (const statement of dropTables({}, TABLES)) this.addSql(statement);
    this.addSql('drop index job_by_parent');
    this.addSql(`alter table job
      drop parent_id, drop priority, drop queue, drop cores, drop memory_bytes, drop gpus, drop external_backend,
        drop external_id,
      drop external_state, drop constraint job_kind_check`);
    this.addSql(`delete from job where kind not in (${KINDS})`);
    this.addSql(`alter table job add constraint job_kind_check check (kind in (${KINDS}))`);
  }
}
