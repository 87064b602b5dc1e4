import { Migration } from '@mikro-orm/migrations';

/** A study that goes on after its end has the time that was left. */
export class Migration0030IdleStudies extends Migration {
  override async up(): Promise<void> {
    this.addSql('alter table study add column idle_ms bigint not null default 0');
  }

  override async down(): Promise<void> {
    this.addSql('alter table study drop column idle_ms');
  }
}
