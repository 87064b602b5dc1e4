import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const BULK_TABLES = { small_object: `key text collate "C" primary key, tenant text not null, content bytea not null` };

/** A file of a few bytes is a row in the transaction that names it, and not a file on a disk. */
export class Migration0013 extends Migration {
  override async up(): Promise<void> {
    for (const statement of createTables({}, BULK_TABLES)) this.addSql(statement);
  }

  override async down(): Promise<void> {
    for (const statement of dropTables({}, BULK_TABLES)) this.addSql(statement);
  }
}
