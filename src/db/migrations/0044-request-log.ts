import { Migration } from '@mikro-orm/migrations';

/** What an endpoint leaves out of its log of predictions, and how long it keeps them. */
export class Migration0044RequestLog extends Migration {
  override async up(): Promise<void> {
    this.addSql(`alter table endpoint add column redacted_fields jsonb not null default '[]',
      add column log_retention_days integer not null default 30 check (log_retention_days between 1 and 365)`);
  }

  override async down(): Promise<void> {
    this.addSql('alter table endpoint drop column redacted_fields, drop column log_retention_days');
  }
}
