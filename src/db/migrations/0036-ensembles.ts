import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const TABLES: Record<string, string> = {
  ensemble: `
    model_version_id uuid not null unique,
    method text not null,
    dataset_id uuid,
    holdout json,
    report json not null,
    created_by text not null,
    foreign key (tenant, model_version_id) references model_version (tenant, id) on delete cascade,
    foreign key (tenant, dataset_id) references dataset (tenant, id) on delete set null (dataset_id)`,
  ensemble_member: `
    ensemble_id uuid not null,
    model_version_id uuid not null,
    member_version_id uuid,
    position integer not null,
    name text not null,
    unique (ensemble_id, position),
    foreign key (tenant, ensemble_id) references ensemble (tenant, id) on delete cascade,
    foreign key (tenant, member_version_id) references model_version (tenant, id)
      on delete set null (member_version_id)`,
};

/** Versions that combine other versions. */
export class Migration0036Ensembles extends Migration {
  override async up(): Promise<void> {
    for (const statement of createTables(TABLES, {})) this.addSql(statement);
    this.addSql(
      'create index ensemble_member_by_version on ensemble_member (tenant, member_version_id) ' +
        'where member_version_id is not null',
    );
  }

  override async down(): Promise<void> {
    for (const statement of dropTables(TABLES, {})) this.addSql(statement);
  }
}
