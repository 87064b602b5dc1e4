import { Migration } from '@mikro-orm/migrations';

/** An endpoint can refuse categories that its model does not know. */
export class Migration0006 extends Migration {
  override async up(): Promise<void> {
    this.addSql(
      `alter table endpoint add unknown_categories text not null default 'ACCEPT' check (unknown_categories ` +
        `in ('ACCEPT', 'REFUSE'))`,
    );
  }

  override async down(): Promise<void> {
    this.addSql(`alter table endpoint drop unknown_categories`);
  }
}
