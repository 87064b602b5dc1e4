import { Migration } from '@mikro-orm/migrations';

/** Work outside the service reports with sequence numbers, and survives the worker that has started it. */
export class Migration0021OutsideReports extends Migration {
  override async up(): Promise<void> {
    this.addSql('alter table job add column external_attempt integer, add column report_seq bigint not null default 0');
  }

  override async down(): Promise<void> {
    this.addSql('alter table job drop column external_attempt, drop column report_seq');
  }
}
