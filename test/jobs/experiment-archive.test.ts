import { afterAll, beforeAll, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { sql } from '../support/embedded.js';
import { ServiceGroup } from '../support/processes.js';
import type { Caller } from '../support/service.js';
import type { TypedDocument } from '../../schema/typed-document.js';
import { createRun, mutate } from '../support/tracking.js';
import { createExperiment } from '../support/training.js';
import { JobDetailsDocument, LogArtifactDetailsDocument } from '../generated/operations.js';
import { ExportExperimentDocument, ImportExperimentDocument } from '../../schema/generated/operations.js';

const RUNS = 10;
const POINTS = 20_000;
const FILES = 5;

interface Job {
  status: string;
  errorMessage: string | null;
  attempt: number;
  result: Record<string, unknown>;
}

let group: ServiceGroup;
let root: Caller;
beforeAll(async () => {
  group = await ServiceGroup.create();
  root = await group.as(await group.start('api'), { role: Role.ADMIN });
});
afterAll(() => group?.close());

const begin = async <Input>(
  caller: Caller,
  document: TypedDocument<Record<string, { job: { id: string } }>, { input: Input }>,
  input: Input,
) => (await mutate(caller, document, input)).job.id;

async function end(caller: Caller, id: string): Promise<Job> {
  for (;;) {
    const { job } = await caller.ok(JobDetailsDocument, { id });
    if (!['QUEUED', 'RUNNING'].includes(job.status)) return { ...job, result: job.result as Job['result'] };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const count = async (tenant: string) =>
  (
    (await sql(
      group.database.url,
      `select (select count(*) from run where tenant = '${tenant}' and state = 'ACTIVE')::int as runs,
       (select count(*) from metric_point where tenant = '${tenant}')::int as points,
       (select count(*) from artifact where tenant = '${tenant}' and run_id is not null)::int as files,
       (select count(*) from experiment where tenant = '${tenant}' and state = 'ACTIVE')::int as experiments`,
    )) as [Record<string, number>]
  )[0];

it('an import whose worker is killed with -9 again and again is complete at the end, and invisible before', async () => {
  const experimentId = await createExperiment(root);
  const { uploadId } = await root.upload('f.txt', 'content');
  for (let i = 0; i < RUNS; i++) {
    const runId = await createRun(root, { experimentId });
    for (let n = 0; n < FILES; n++)
      await mutate(root, LogArtifactDetailsDocument, { runId, path: `f-${n}.txt`, uploadId });
    await sql(
      group.database.url,
      `insert into metric_point (tenant, run_id, key, step, logged_at, value, seq)
       select 'acme', '${runId}', 'm' || n % 3, n, timestamptz 'epoch' + n * interval '1 second', sqrt(n), n
         from generate_series(1, ${POINTS}) n`,
    );
  }
  const first = await group.start('worker');
  const { result } = await end(root, await begin(root, ExportExperimentDocument, { experimentId }));
  await first.end();
  const artifact = await fetch(`${root.url}/artifacts/${String(result['artifactId'])}`, {
    headers: { authorization: `Bearer ${root.token}` },
  });
  const archive = Buffer.from(await artifact.arrayBuffer());

  const other = await group.as({ url: root.url } as Parameters<ServiceGroup['as']>[0], { tenant: 'other' });
  const jobId = await begin(other, ImportExperimentDocument, {
    uploadId: (await other.upload('experiment.tar', archive)).uploadId,
  });
  let kills = 0;
  // After two lost workers there is one attempt left.
  for (const wanted of [POINTS * 2, POINTS * 6]) {
    const worker = await group.start('worker');
    for (const deadline = Date.now() + 30_000; Date.now() < deadline && (await count('other')).points! < wanted;)
      await new Promise((resolve) => setTimeout(resolve, 2));
    await worker.end('SIGKILL');
    kills += 1;
    expect(await count('other')).toMatchObject({ runs: 0, experiments: 0 });
  }
  await group.start('worker');
  const job = await end(other, jobId);
  expect(job.status, job.errorMessage ?? '').toBe('SUCCEEDED');
  expect(await count('other')).toEqual({ runs: RUNS, points: RUNS * POINTS, files: RUNS * FILES, experiments: 1 });
  const told = async (tenant: string) =>
    sql(
      group.database.url,
      'select key, count(*)::int as points, count(distinct value)::int as different, max(value) as high from ' +
        `metric_point where tenant = '${tenant}' group by key order by key`,
    );
  expect(await told('other')).toEqual(await told('acme'));
  const seqs = await sql(
    group.database.url,
    `select 1 from metric_point where tenant = 'other' group by run_id, seq having count(*) > 1`,
  );
  expect(seqs).toEqual([]);
  console.log(`experiment-archive: ${kills} kills, attempt ${job.attempt}, ${archive.length} bytes`);
});
