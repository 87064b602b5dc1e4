import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const BULK_TABLES = {
  ab_test_outcome_id: `
    tenant text not null,
    test_id uuid not null,
    id text not null,
    content text not null,
    primary key (test_id, id),
    foreign key (tenant, test_id) references ab_test (tenant, id) on delete cascade`,
};

/** The ids that clients give to outcomes, so that a repeated call counts nothing twice. */
export class Migration0039OutcomeIds extends Migration {
  override up(): void {
    for (const statement of createTables({}, BULK_TABLES)) this.addSql(statement);
  }

  override down(): void {
    for (const statement of dropTables({}, BULK_TABLES)) this.addSql(statement);
  }
}
