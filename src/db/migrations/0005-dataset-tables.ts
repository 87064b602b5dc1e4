import { Migration } from '@mikro-orm/migrations';

/**
 * CSV and JSON files are read once, into tables. The types of their columns are recorded, and later reads never guess
 * again.
 */
export class Migration0005 extends Migration {
  override async up(): Promise<void> {
    this.addSql(
      `alter table dataset add reading jsonb, add table_key text, add table_size_bytes bigint, add table_sha256 text,
         add constraint dataset_table_is_whole check (num_nulls(table_key, table_size_bytes, table_sha256) in (0, 3))`,
    );
  }

  override async down(): Promise<void> {
    this.addSql('alter table dataset drop reading, drop table_key, drop table_size_bytes, drop table_sha256');
  }
}
