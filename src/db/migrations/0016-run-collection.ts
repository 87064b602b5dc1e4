import { Migration } from '@mikro-orm/migrations';

/** A column says that a run is being collected as garbage. Before, a missing counter row said so. */
export class Migration0016RunCollection extends Migration {
  override async up(): Promise<void> {
    this.addSql('alter table run add collection_began_at timestamptz');
    this.addSql(`update run set collection_began_at = coalesce(deleted_at, now())
      where state = 'DELETED' and not exists (select from run_counter c where c.run_id = run.id)`);
    this.addSql(`insert into run_counter (tenant, run_id, last_seq)
      select tenant, id, 0 from run where collection_began_at is not null`);
    this.addSql(`alter table run add constraint run_collection_check
      check (collection_began_at is null or state = 'DELETED')`);
  }

  override async down(): Promise<void> {
    this.addSql(`delete from run_counter c using run r where r.id = c.run_id and r.collection_began_at is not null`);
    this.addSql('alter table run drop collection_began_at');
  }
}
