import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const TABLES = {
  trained_model: `
    run_id uuid not null,
    dataset_id uuid not null,
    format text not null check (format in ('ONNX')),
    files jsonb not null,
    signature jsonb not null,
    metrics jsonb not null,
    reference jsonb not null,
    agreement_max_abs_diff double precision,
    row_counts jsonb not null,
    config jsonb not null,
    unique (tenant, run_id),
    foreign key (tenant, run_id) references run (tenant, id) on delete cascade,
    foreign key (tenant, dataset_id) references dataset (tenant, id)`,
};

/** The model of a training gets its own row; before, only the result of its job had it. */
export class Migration0016TrainedModels extends Migration {
  override async up(): Promise<void> {
    for (const statement of createTables(TABLES, {})) this.addSql(statement);
    this
      .addSql(`insert into trained_model (id, tenant, run_id, dataset_id, format, files, signature, metrics, reference,
        agreement_max_abs_diff, row_counts, config)
      select distinct on (tenant, run_id) gen_random_uuid(), tenant, run_id, dataset_id, 'ONNX',
        jsonb_build_object('model', jsonb_build_object('key', result -> 'modelKey',
          'sizeBytes', result -> 'sizeBytes', 'sha256', result -> 'sha256')) ||
          case when result ? 'judgedModel' then jsonb_build_object('judged', result -> 'judgedModel') else '{}' end,
        result -> 'signature', result -> 'metrics', result -> 'reference',
        (result ->> 'agreementMaxAbsDiff')::float8, result -> 'rows', result -> 'config'
      from job
      where kind = 'TRAINING' and status = 'SUCCEEDED' and run_id is not null and dataset_id is not null
        and result ?& array['modelKey', 'signature', 'metrics', 'reference', 'rows', 'config']
      order by tenant, run_id, created_at desc`);
    this.addSql(`update job j set result = j.result - 'reference' from trained_model t
      where t.tenant = j.tenant and t.run_id = j.run_id and j.kind = 'TRAINING' and j.status = 'SUCCEEDED'`);
  }

  override async down(): Promise<void> {
    this.addSql(`update job j set result = j.result || jsonb_build_object('reference', t.reference) from trained_model t
      where t.tenant = j.tenant and t.run_id = j.run_id and j.kind = 'TRAINING' and j.status = 'SUCCEEDED'`);
    for (const statement of dropTables(TABLES, {})) this.addSql(statement);
  }
}
