import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { sql } from '../support/embedded.js';
import { ServiceGroup } from '../support/processes.js';
import type { Caller } from '../support/service.js';
import { createRun, mutate } from '../support/tracking.js';
import { createExperiment } from '../support/training.js';
import { CollectGarbageDocument } from '../../schema/generated/operations.js';
import {
  DeleteExperimentDetailsDocument,
  JobDetailsDocument,
  LogArtifactDetailsDocument,
  JobStatusAttemptResultDocument,
} from '../generated/operations.js';

const RUNS = 12;
const POINTS = 60_000;
const FILES = 10;

interface Progress {
  status: string;
  attempt: number;
  result: Record<string, unknown> | null;
}

let group: ServiceGroup;
let root: Caller;

beforeAll(async () => {
  group = await ServiceGroup.create();
  root = await group.as(await group.start('api'), { role: Role.ADMIN });
});
afterAll(() => group?.close());

const count = async (text: string): Promise<number> => ((await sql(group.database.url, text)) as [{ n: number }])[0].n;

/** Files of runs in the store. */
async function runFiles(): Promise<number> {
  const files = await readdir(join(group.dataDir, 'artifacts', 'objects', 'acme', 'runs'), {
    recursive: true,
    withFileTypes: true,
  }).catch(() => []);
  return files.filter((file) => file.isFile()).length;
}

it('a collection whose worker is killed with -9 again and again removes everything once, and leaves no orphan', async () => {
  const experimentId = await createExperiment(root);
  const { uploadId } = await root.upload('f.txt', 'content');
  for (let i = 0; i < RUNS; i++) {
    const runId = await createRun(root, { experimentId });
    await Promise.all(
      Array.from({ length: FILES }, (_, n) =>
        mutate(root, LogArtifactDetailsDocument, { runId, path: `f-${n}.txt`, uploadId }),
      ),
    );
    await sql(
      group.database.url,
      `insert into metric_point (tenant, run_id, key, step, logged_at, value, seq)
       select 'acme', '${runId}', 'loss', n, timestamptz '2026-01-01', n, n from generate_series(1, ${POINTS}) n`,
    );
  }
  const bystander = await createRun(root);
  await mutate(root, LogArtifactDetailsDocument, { runId: bystander, path: 'f.txt', uploadId });
  await mutate(root, DeleteExperimentDetailsDocument, { id: experimentId });
  expect(await runFiles()).toBe(RUNS * FILES + 1);
  const { job } = await mutate(root, CollectGarbageDocument, { olderThanDays: 0 });
  const status = async () => (await root.ok(JobStatusAttemptResultDocument, { id: job.id })).job as Progress;
  const until = async (holds: (now: Progress) => boolean) => {
    for (const deadline = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 2))) {
      const now = await status();
      if (holds(now)) return;
      if (Date.now() > deadline) throw new Error(`The collection is ${JSON.stringify(now)}.`);
    }
  };
  let kills = 0;
  for (const runsGone of [2, 6]) {
    const worker = await group.start('worker');
    await until((now) => now.attempt === kills + 1 && Number(now.result?.['runs'] ?? 0) >= runsGone);
    await worker.end('SIGKILL');
    if ((await status()).status === 'RUNNING') kills += 1;
    await sql(
      group.database.url,
      `update job set heartbeat_at = now() - interval '1 hour' where id = '${job.id}' and status = 'RUNNING'`,
    );
  }
  await group.start('worker');
  await until((now) => now.status === 'SUCCEEDED');
  const { result, attempt } = await status();
  expect(result).toMatchObject({
    runs: RUNS,
    experiments: 1,
    metricPoints: RUNS * POINTS,
    files: RUNS * FILES,
    keptCount: 0,
  });
  expect(await count(`select count(*)::int as n from metric_point`)).toBe(0);
  expect(await count(`select count(*)::int as n from run`)).toBe(1);
  expect(await count(`select count(*)::int as n from artifact`)).toBe(1);
  // What is left of the dead workers' files has a row for the sweeper; nothing else is in the store.
  const staged = await count(`select count(*)::int as n from staged_object where object_key like 'acme/runs/%'`);
  const left = await runFiles();
  expect(left).toBeLessThanOrEqual(1 + staged);
  await sql(group.database.url, `update staged_object set created_at = now() - interval '2 days'`);
  const check = await mutate(root, CollectGarbageDocument, { checkStorage: true });
  for (;;) {
    const { job: now } = await root.ok(JobDetailsDocument, { id: check.job.id });
    if (now.status === 'SUCCEEDED') {
      expect(now.result).toMatchObject({
        storage: { objectsWithoutRow: { count: 0 }, rowsWithoutObject: { count: 0 } },
      });
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  console.log(
    `${RUNS} runs with ${POINTS} points each collected in ${attempt} attempts, ${kills} kills -9 in its ` +
      `midst; ${left - 1} files left to the sweeper`,
  );
}, 180_000);
