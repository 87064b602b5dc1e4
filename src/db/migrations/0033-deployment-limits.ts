import { Migration } from '@mikro-orm/migrations';

/** A deployment limits what it takes on, and says which rows its model is tried with before it is ready. */
export class Migration0033DeploymentLimits extends Migration {
  override async up(): Promise<void> {
    this.addSql('alter table deployment add column limits jsonb, add column warm_up_rows jsonb');
  }

  override async down(): Promise<void> {
    this.addSql('alter table deployment drop column limits, drop column warm_up_rows');
  }
}
