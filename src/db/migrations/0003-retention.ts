import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const BULK_TABLES: Record<string, string> = {
  // Rows of a tenant's log up to this seq may be deleted: a client that asks for what follows an earlier one would miss
  // some.
  log_floor: `
    tenant text not null, log text not null, seq bigint not null,
    primary key (tenant, log)`,
};

/** Old events, steps of jobs, traffic and audit rows can be deleted. */
export class Migration0003 extends Migration {
  override async up(): Promise<void> {
    for (const statement of createTables({}, BULK_TABLES)) this.addSql(statement);
    // The deliveries of an event are deleted with it, and must be found.
    this.addSql(
      `create index webhook_delivery_by_event on webhook_delivery (tenant, event_id) where event_id is not null`,
    );
    // Only work of the service itself: no request deletes an audit row.
    this.addSql(`grant delete on audit_log to matih_system`);
  }

  override async down(): Promise<void> {
    this.addSql(`revoke delete on audit_log from matih_system`);
    this.addSql(`drop index webhook_delivery_by_event`);
    for (const statement of dropTables({}, BULK_TABLES)) this.addSql(statement);
  }
}
