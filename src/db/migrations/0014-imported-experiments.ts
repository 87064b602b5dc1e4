import { Migration } from '@mikro-orm/migrations';
/** An experiment names the job that imports it. */
export class Migration0014 extends Migration {
  override async up(): Promise<void> {
    this.addSql(`alter table experiment
      add import_job_id uuid,
      add constraint experiment_import_check check (import_job_id is null or state = 'DELETED'),
      add foreign key (tenant, import_job_id) references job (tenant, id)`);
    // Imports of older releases did not name their job: it is the last job for this archive.
    this.addSql(`update experiment e set import_job_id = j.id
      from external_ref r join job j on j.tenant = r.tenant and j.id = coalesce((r.synced ->> 'jobId')::uuid,
        (select l.id from job l where l.tenant = r.tenant and l.kind = 'EXPERIMENT_IMPORT'
          and r.server = 'archive:' || (l.config ->> 'sha256') order by l.created_at desc limit 1))
      where e.state = 'DELETED' and r.tenant = e.tenant and r.kind = 'EXPERIMENT' and r.local_id = e.id
        and starts_with(r.server, 'archive:') and not (r.synced ->> 'done')::boolean`);
    this.addSql(`update external_ref set synced = '{}' where starts_with(server, 'archive:')`);
  }

  override async down(): Promise<void> {
    this.addSql(`update external_ref r set synced = jsonb_build_object(
        'keepIds', starts_with(r.external_id, r.local_id::text), 'hiddenAt', coalesce(e.deleted_at, e.created_at),
        'jobId', e.import_job_id, 'done', e.import_job_id is null)
      from experiment e where e.tenant = r.tenant and e.id = r.local_id and starts_with(r.server, 'archive:')`);
    this.addSql('alter table experiment drop import_job_id');
  }
}
