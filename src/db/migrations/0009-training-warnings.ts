import { Migration } from '@mikro-orm/migrations';

/** Warnings of a training, beside its metrics. */
export class Migration0009 extends Migration {
  override async up(): Promise<void> {
    this.addSql(`alter table run add warnings jsonb not null default '[]'`);
  }

  override async down(): Promise<void> {
    this.addSql('alter table run drop warnings');
  }
}
