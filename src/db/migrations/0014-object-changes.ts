import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const TABLES = {
  // A row is written in the transaction of the change, and deleted in the transaction that gives it to the subscribers.
  object_change: `
    id uuid primary key, tenant text not null, type text not null, object_id text not null,
    changed_at timestamptz not null default clock_timestamp()`,
};

/** Changes of objects wait in the outbox for their subscribers. */
export class Migration0014ObjectChanges extends Migration {
  override async up(): Promise<void> {
    for (const statement of createTables({}, TABLES)) this.addSql(statement);
  }

  override async down(): Promise<void> {
    for (const statement of dropTables({}, TABLES)) this.addSql(statement);
  }
}
