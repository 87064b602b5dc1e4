import { Migration } from '@mikro-orm/migrations';

/** How many rows of keys and outcomes an A/B test has, so that they have a limit, and an index for their deletion. */
export class Migration0047AbTestLimits extends Migration {
  override async up(): Promise<void> {
    this.addSql(`alter table ab_test add column key_rows bigint not null default 0,
      add column outcome_rows bigint not null default 0`);
    this.addSql(`update ab_test t set
      key_rows = (select count(*) from ab_test_key k where k.test_id = t.id),
      outcome_rows = (select count(*) from ab_test_outcome o where o.test_id = t.id)
        + (select count(*) from ab_test_outcome_id i where i.test_id = t.id)`);
    this.addSql('create index ab_test_by_end on ab_test (ended_at) where ended_at is not null');
  }

  override async down(): Promise<void> {
    this.addSql('drop index ab_test_by_end');
    this.addSql('alter table ab_test drop column key_rows, drop column outcome_rows');
  }
}
