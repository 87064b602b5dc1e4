import { Migration } from '@mikro-orm/migrations';

/** Work outside gives signs of life, also while its cluster does not answer. */
export class Migration0031HeardJobs extends Migration {
  override async up(): Promise<void> {
    this.addSql('alter table job add column heard_at timestamptz');
  }

  override async down(): Promise<void> {
    this.addSql('alter table job drop column heard_at');
  }
}
