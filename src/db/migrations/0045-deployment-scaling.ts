import { Migration } from '@mikro-orm/migrations';

/** A deployment may ask for processes of its own: how many, and with how many threads. */
export class Migration0045DeploymentScaling extends Migration {
  override async up(): Promise<void> {
    this.addSql('alter table deployment add column scaling jsonb');
  }

  override async down(): Promise<void> {
    this.addSql('alter table deployment drop column scaling');
  }
}
