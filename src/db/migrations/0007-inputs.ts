import { Migration } from '@mikro-orm/migrations';

/**
 * The time since when evidence counts: results for other columns, other classes or another task no longer prove
 * anything.
 */
export class Migration0007 extends Migration {
  override async up(): Promise<void> {
    this.addSql(`alter table model_version add evidence_from timestamptz`);
    this.addSql(`alter table model add evidence_from timestamptz, add task_guessed boolean not null default false`);
    // A registration through MLflow does not set the task.
    this.addSql(`update model set task_guessed = true where model_type = 'MLFLOW' and task = 'OTHER'`);
  }

  override async down(): Promise<void> {
    this.addSql(`alter table model drop task_guessed, drop evidence_from`);
    this.addSql(`alter table model_version drop evidence_from`);
  }
}
