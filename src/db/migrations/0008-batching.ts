import { Migration } from '@mikro-orm/migrations';

/** An endpoint or a deployment can forbid that its requests run in one batch. */
export class Migration0008 extends Migration {
  override async up(): Promise<void> {
    for (const table of ['endpoint', 'deployment'])
      this.addSql(
        `alter table ${table} add batching text not null default 'AUTO' check (batching in ('AUTO', 'NEVER'))`,
      );
  }

  override async down(): Promise<void> {
    for (const table of ['endpoint', 'deployment']) this.addSql(`alter table ${table} drop batching`);
  }
}
