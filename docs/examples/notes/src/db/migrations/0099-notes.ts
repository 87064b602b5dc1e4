import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const TABLES: Record<string, string> = {
  note: `
    experiment_id uuid not null,
    run_id uuid,
    body text not null,
    created_by text not null,
    foreign key (tenant, experiment_id) references experiment (tenant, id) on delete cascade,
    foreign key (tenant, run_id) references run (tenant, id) on delete cascade`,
};

/** Notes on experiments. */
export class Migration0099Notes extends Migration {
  override async up(): Promise<void> {
    for (const statement of createTables(TABLES, {})) this.addSql(statement);
    this.addSql('create index note_by_experiment on note (tenant, experiment_id, created_at)');
    this.addSql('create index note_by_run on note (tenant, run_id) where run_id is not null');
  }

  override async down(): Promise<void> {
    for (const statement of dropTables(TABLES, {})) this.addSql(statement);
  }
}
