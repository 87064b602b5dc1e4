import { Migration } from '@mikro-orm/migrations';

const TABLES = ['run_param', 'run_tag'];

/**
 * Runs with a given parameter or tag are found by one hash of tenant, key and value. An index of the three texts
 * compares them at each level, which takes three times as long; and a search with other conditions does this for each
 * of its candidates.
 */
export class Migration0004 extends Migration {
  override async up(): Promise<void> {
    for (const table of TABLES) {
      this.addSql(
        `alter table ${table} drop value_hash, add pair_hash bigint not null
           generated always as (hashtextextended(value, hashtextextended(key, hashtextextended(tenant, 0)))) stored`,
      );
      // The index also contains the texts behind the hash: when two pairs have the same hash, only the right one is
      // found.
      this.addSql(`create index ${table}_by_pair on ${table} (pair_hash, run_id) include (tenant, key, value_start)`);
      this.addSql(`create statistics ${table}_pairs on pair_hash, key, value_start from ${table}`);
    }
  }

  override async down(): Promise<void> {
    for (const table of TABLES) {
      this.addSql(
        `alter table ${table} drop pair_hash, add value_hash bigint not null generated always as ` +
          '(hashtextextended(value, 0)) stored',
      );
      this.addSql(`create index ${table}_by_value on ${table} (tenant, key, value_hash, run_id)`);
    }
  }
}
