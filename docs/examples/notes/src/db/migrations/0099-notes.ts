import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const TABLES: Record<string, string> = {
  note: `
    experiment_id uuid not null,
    body text not null,
    created_by text not null,
    foreign key (tenant, experiment_id) references experiment (tenant, id) on delete cascade`,
};

/** Notes on experiments. */
export class Migration0099Notes extends Migration {
  override async up(): Promise<void> {
    for (const statement of createTables(TABLES, {})) this.addSql(statement);
    this.addSql('create index note_by_experiment on note (tenant, experiment_id, created_at)');
  }

  override async down(): Promise<void> {
    for (const statement of dropTables(TABLES, {})) this.addSql(statement);
  }
}
