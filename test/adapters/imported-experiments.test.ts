import { Client } from 'pg';
import { expect, it } from 'vitest';
import { Migration0014 } from '../../src/db/migrations/0014-imported-experiments.js';
import { createDatabaseFromTemplate } from '../support/database.js';

const EXPERIMENTS = {
  half: '00000000-0000-7000-8000-000000000001',
  old: '00000000-0000-7000-8000-000000000002',
  whole: '00000000-0000-7000-8000-000000000003',
};
const JOBS = { half: '00000000-0000-7000-8000-00000000000a', old: '00000000-0000-7000-8000-00000000000b' };

/** The statements of one direction of the migration. */
async function statementsOf(direction: 'up' | 'down'): Promise<string[]> {
  const texts: string[] = [];
  const addSql = (text: string) => void texts.push(text);
  await Object.assign(Object.create(Migration0014.prototype) as Migration0014, { addSql })[direction]();
  return texts;
}

it('an import that is under way while the service is updated stays one, and goes back with it', async () => {
  const database = await createDatabaseFromTemplate();
  const client = new Client({ connectionString: database.url });
  await client.connect();
  const migrate = async (direction: 'up' | 'down') => {
    for (const text of await statementsOf(direction)) await client.query(text);
  };
  const read = async <T extends object>(text: string) => (await client.query<T>(text)).rows;
  try {
    for (const [name, id] of Object.entries(JOBS))
      await client.query(
        `insert into job (id, tenant, kind, status, config, created_by)
         values ($1, 'acme', 'EXPERIMENT_IMPORT', 'FAILED', jsonb_build_object('sha256', $2::text), 'tess')`,
        [id, name],
      );
    await migrate('down');
    for (const [name, id] of Object.entries(EXPERIMENTS)) {
      const state = name === 'whole' ? 'ACTIVE' : 'DELETED';
      await client.query(
        `insert into experiment (id, tenant, name, description, tags, state, deleted_at, created_by, updated_at)
         values ($1, 'acme', $2, '', '{}', $3, case when $3 = 'DELETED' then timestamptz '2026-01-01' end, 'tess', now())`,
        [id, name, state],
      );
      // Older releases did not store the job.
      const job = name === 'old' ? '{}' : JSON.stringify({ jobId: JOBS.half });
      await client.query(
        `insert into external_ref (id, tenant, server, kind, external_id, local_id, synced)
         values (gen_random_uuid(), 'acme', 'archive:' || $2::text, 'EXPERIMENT', $1::text || ' ', $1::uuid,
           jsonb_build_object('keepIds', true, 'hiddenAt', '2026-01-01', 'done', $2 = 'whole') || $3::jsonb)`,
        [id, name, job],
      );
    }
    await migrate('up');
    expect(await read('select id, state, import_job_id as job from experiment order by id')).toEqual([
      { id: EXPERIMENTS.half, state: 'DELETED', job: JOBS.half },
      { id: EXPERIMENTS.old, state: 'DELETED', job: JOBS.old },
      { id: EXPERIMENTS.whole, state: 'ACTIVE', job: null },
    ]);
    expect(await read('select distinct synced from external_ref')).toEqual([{ synced: {} }]);
    await migrate('down');
    expect(
      await read(
        `select local_id as id, synced ->> 'jobId' as job, synced -> 'done' as done, synced -> 'keepIds' as "keepIds"
         from external_ref order by local_id`,
      ),
    ).toEqual([
      { id: EXPERIMENTS.half, job: JOBS.half, done: false, keepIds: true },
      { id: EXPERIMENTS.old, job: JOBS.old, done: false, keepIds: true },
      { id: EXPERIMENTS.whole, job: null, done: true, keepIds: true },
    ]);
  } finally {
    await client.end();
    await database.drop();
  }
});
