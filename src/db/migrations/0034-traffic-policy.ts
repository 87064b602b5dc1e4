import { Migration } from '@mikro-orm/migrations';

/** Rules that send certain callers to one deployment, and who sets the weights of an endpoint instead of people. */
export class Migration0034TrafficPolicy extends Migration {
  override async up(): Promise<void> {
    this.addSql(`alter table endpoint
      add column traffic_rules jsonb not null default '[]',
      add column traffic_held_by text`);
  }

  override async down(): Promise<void> {
    this.addSql('alter table endpoint drop column traffic_rules, drop column traffic_held_by');
  }
}
