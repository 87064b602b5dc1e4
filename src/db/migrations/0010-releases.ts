import { Migration } from '@mikro-orm/migrations';

const KINDS = `'TRAINING', 'EVALUATION', 'VALIDATION', 'BATCH_INFERENCE', 'CONVERSION', 'GARBAGE_COLLECTION', 'RUN_ARCHIVE',
  'EXPERIMENT_EXPORT', 'EXPERIMENT_IMPORT', 'MLFLOW_IMPORT'`;

/** A job that moves a version as far towards production as its gates allow. */
export class Migration0010 extends Migration {
  override async up(): Promise<void> {
    this.addSql('alter table job drop constraint job_kind_check');
    this.addSql(`alter table job add constraint job_kind_check check (kind in (${KINDS}, 'RELEASE'))`);
    // Only one release of a version can run at a time.
    this.addSql(
      `create unique index job_one_release on job (tenant, model_version_id) where kind = 'RELEASE' and ` +
        `status in ('QUEUED', 'RUNNING')`,
    );
  }

  override async down(): Promise<void> {
    this.addSql('drop index job_one_release');
    this.addSql('alter table job drop constraint job_kind_check');
    this.addSql(`delete from job where kind = 'RELEASE'`);
    this.addSql(`alter table job add constraint job_kind_check check (kind in (${KINDS}))`);
  }
}
