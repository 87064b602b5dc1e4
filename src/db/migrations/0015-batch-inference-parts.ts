import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const TABLES = {
  batch_inference_part: `
    tenant text not null, job_id uuid not null, end_row bigint not null check (end_row > 0),
    created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
    attempt int not null, object_key text not null, size_bytes bigint not null, sha256 text not null,
    primary key (job_id, end_row),
    foreign key (tenant, job_id) references job (tenant, id) on delete cascade`,
};

const OF_BATCH_INFERENCE = `exists (select from job j where j.id = c.job_id and j.kind = 'BATCH_INFERENCE')`;

/** Parts of a batch inference get their own rows; before, they were checkpoints. */
export class Migration0015BatchInferenceParts extends Migration {
  override async up(): Promise<void> {
    for (const statement of createTables({}, TABLES)) this.addSql(statement);
    this.addSql(`insert into batch_inference_part
        (tenant, job_id, end_row, created_at, attempt, object_key, size_bytes, sha256)
      select distinct on (job_id, epoch)
        tenant, job_id, epoch, created_at, attempt, object_key, size_bytes, sha256
      from checkpoint c where ${OF_BATCH_INFERENCE} order by job_id, epoch, attempt desc`);
    this.addSql(`delete from checkpoint c where ${OF_BATCH_INFERENCE}`);
  }

  override async down(): Promise<void> {
    this.addSql(`insert into checkpoint (id, tenant, created_at, job_id, attempt, epoch, object_key, size_bytes, sha256)
      select gen_random_uuid(), tenant, created_at, job_id, attempt, end_row, object_key, size_bytes, sha256
      from batch_inference_part`);
    for (const statement of dropTables({}, TABLES)) this.addSql(statement);
  }
}
