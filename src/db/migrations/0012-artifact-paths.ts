import { Migration } from '@mikro-orm/migrations';

const COLUMNS = { run: 'run_id', logged_model: 'logged_model_id' };

/**
 * The content of an artifact folder is found by the beginning of the path in byte order, whatever the collation of the
 * database is.
 */
export class Migration0012 extends Migration {
  override async up(): Promise<void> {
    this.addSql('drop index artifact_by_logged_model');
    for (const [owner, column] of Object.entries(COLUMNS)) {
      this.addSql(
        `create index artifact_of_${owner}_by_path on artifact (tenant, ${column}, path collate "C") where ` +
          `${column} is not null`,
      );
    }
  }

  override async down(): Promise<void> {
    for (const owner of Object.keys(COLUMNS)) this.addSql(`drop index artifact_of_${owner}_by_path`);
    this.addSql(
      'create index artifact_by_logged_model on artifact (tenant, logged_model_id, path) where ' +
        'logged_model_id is not null',
    );
  }
}
