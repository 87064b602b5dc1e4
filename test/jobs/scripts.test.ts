import { createServer } from 'node:net';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FollowRunMetricsDocument } from '../../schema/generated/operations.js';
import {
  CancelJobDetailsDocument,
  CloneJobDocument,
  CreateScheduleDetailsDocument,
  RunLogsSeqLineDocument,
  ScriptJobDocument,
  StartScheduleNowDocument,
  StartScriptDetailsDocument,
} from '../generated/operations.js';
import { hasBubblewrap, linesOf, scriptEnd, startScript, zipOf } from '../support/scripts.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { query } from '../support/tracking.js';
import { createExperiment, registerDataset, vegaPath } from '../support/training.js';

/** Scripts in the sandbox of a worker. They need no Python; test/engines/scripts.test.ts has one with MLflow. */

let service: TestService;
let tess: Caller;
let experimentId: string;

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}

beforeAll(async () => {
  service = await startTestService({
    PORT: String(await freePort()),
    ALLOW_LOCAL_SCRIPTS: 'true',
    SCRIPT_MAX_PROCESSES: '20',
    SCRIPT_MAX_DISK_BYTES: String(64 * 1024 ** 2),
    SCRIPT_MAX_LOG_BYTES: String(1024 ** 2),
    LOG_LEVEL: 'silent',
  });
  tess = await service.as();
  experimentId = await createExperiment(tess);
});
afterAll(() => service?.close());

const begin = (command: string, files: Record<string, string> = { 'a.txt': 'a' }, more: object = {}) =>
  startScript(tess, { experimentId, command, files, ...more });

const ended = async (status: string, command: string, files?: Record<string, string>, more?: object) => {
  const { jobId, runId } = await begin(command, files, more);
  return { job: await scriptEnd(tess, jobId, status), runId };
};

/** JavaScript that calls MLflow's protocol with what the script has in its environment. */
const CLIENT = `
const { MLFLOW_TRACKING_URI: uri, MLFLOW_TRACKING_TOKEN: token, MLFLOW_RUN_ID: run_id } = process.env;
export const call = async (path, body, options = {}) => {
  const response = await fetch(uri + path, {
    method: 'POST', headers: { authorization: 'Bearer ' + token, 'content-type': 'application/json' },
    body: JSON.stringify(body), ...options });
  return { status: response.status, text: await response.text() };
};
export const log = (key, value, step) =>
  call('/api/2.0/mlflow/runs/log-metric', { run_id, key, value, step, timestamp: Date.now() });
export { run_id, token };
`;

describe.skipIf(!hasBubblewrap)('a script', () => {
  it('logs metrics that show at once, prints lines of its run, and ends it', async () => {
    const { jobId, runId } = await begin('/matih/node train.mjs --depth 3', {
      'client.mjs': CLIENT,
      'train.mjs': `
        import { log, token } from './client.mjs';
        console.log('arguments', process.argv.slice(2).join(' '));
        console.log('my token is ' + token);
        console.error('a warning');
        for (let step = 0; step < 20; step++) {
          const { status, text } = await log('loss', 1 / (step + 1), step);
          if (status !== 200) throw new Error(text);
          await new Promise((resolve) => setTimeout(resolve, 100));
        }`,
    });
    const seen = await tess.collect(FollowRunMetricsDocument, { runId, after: 0 }, (points) => points.length >= 3);
    expect(seen[0]).toMatchObject({ key: 'loss', step: 0, value: 1 });
    const { job: during } = await tess.ok(ScriptJobDocument, { id: jobId });
    expect(during.status).toBe('RUNNING');
    const job = await scriptEnd(tess, jobId, 'SUCCEEDED');
    expect(job.run).toMatchObject({ status: 'FINISHED', metrics: [{ key: 'loss', value: 0.05 }] });
    expect(job.run!.artifacts.map(({ path }) => path)).toContain('code/script.zip');
    expect(job.result).toEqual({ printedLines: 3 });
    const lines = await linesOf(tess, runId);
    expect(lines).toEqual(
      expect.arrayContaining([
        'attempt 1: /matih/node train.mjs --depth 3',
        'arguments --depth 3',
        'my token is (hidden)',
        'a warning',
      ]),
    );
    const followed = await tess.collect(RunLogsSeqLineDocument, { runId, after: 0 }, (all) => all.length === 4);
    expect(followed).toHaveLength(4);
  });

  it('can write its own run, and nothing else, and only while it runs', async () => {
    const other = await begin('true');
    const { job, runId } = await ended('SUCCEEDED', '/matih/node steal.mjs', {
      'client.mjs': CLIENT,
      'steal.mjs': `
          import { call, run_id, token } from './client.mjs';
          const other = ${JSON.stringify(other.runId.replaceAll('-', ''))};
          const answers = [
            await call('/api/2.0/mlflow/runs/log-metric', { run_id: other, key: 'a', value: 1, timestamp: 1 }),
            await call('/api/2.0/mlflow/runs/create', { experiment_id: '0' }),
            await call('/graphql', { query: '{ runs(first: 1) { nodes { id } } }' }),
            await call('/graphql', { query: 'mutation { deleteRun(input: { runId: "' + run_id + '" }) { __typename } }' }),
          ];
          console.log(answers.map(({ status, text }) => status + ' ' + text.match(/FORBIDDEN|PERMISSION_DENIED/)?.[0]).join('\\n'));
          console.log(Buffer.from(token).toString('base64'));`,
    });
    const lines = await linesOf(tess, runId);
    expect(lines.filter((line) => /FORBIDDEN|PERMISSION_DENIED/.test(line))).toHaveLength(4);
    const token = Buffer.from(lines.findLast((line) => /^[\w+/]{100,}=*$/.test(line)) ?? '', 'base64').toString();
    expect(token).toMatch(/^ey/);
    await expect
      .poll(
        async () =>
          (
            await fetch(`${service.url}/api/2.0/mlflow/runs/get?run_id=${runId.replaceAll('-', '')}`, {
              headers: { authorization: `Bearer ${token}` },
            })
          ).status,
        { timeout: 10_000 },
      )
      .toBe(401);
    expect(JSON.stringify(job)).not.toContain(token);
  });

  it('sees no secret, no file and no process of the service, no network, and can write nowhere else', async () => {
    process.env['A_SECRET_OF_THE_SERVICE'] = 'hidden';
    const { runId } = await ended(
      'SUCCEEDED',
      `env | sort; echo "processes $(ls /proc | grep -c '^[0-9]')"; ls / | tr '\\n' ' '; echo; ls ${service.app.context.config.DATA_DIR} 2>&1;
       for place in / /usr /dev /matih /matih/bin /etc /proc/sys/kernel; do touch $place/x 2>/dev/null && echo "WROTE $place"; done;
       touch here /tmp/there && echo written;
       /matih/node -e 'require("net").connect(${new URL(service.database.url).port || 5432}, "127.0.0.1").on("error", (e) => console.log("database " + e.code))'`,
    );
    const lines = (await linesOf(tess, runId)).join('\n');
    expect(lines).not.toMatch(/A_SECRET_OF_THE_SERVICE|AUTH_JWT_SECRET|DATABASE_URL/);
    expect(lines).not.toMatch(/^WROTE/m);
    expect(lines).toContain('written');
    expect(lines).toContain('database ECONNREFUSED');
    expect(lines).toMatch(/No such file/);
    expect(Number(/processes (\d+)/.exec(lines)![1])).toBeLessThan(10);
  });

  it('reads a dataset of the service as Parquet', async () => {
    const datasetId = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
    const { runId } = await ended(
      'SUCCEEDED',
      'head -c 4 "$MATIH_DATASET"; echo; touch "$MATIH_DATASET" || echo kept',
      undefined,
      {
        datasetId,
      },
    );
    expect(await linesOf(tess, runId)).toEqual(expect.arrayContaining(['PAR1', 'kept']));
  });

  it.each<[string, string, string, RegExp]>([
    ['fails', 'echo "no data" >&2; exit 3', 'CONFLICT', /^The script ended with exit code 3: no data$/],
    ['is killed by a signal', 'kill -SEGV $$', 'CONFLICT', /signal SIGSEGV/],
    ['has no such command', 'pyhton train.py', 'CONFLICT', /exit code 127.*not found/],
    [
      'forks without end',
      // Where the kernel refuses more, such shells may all have ended before anybody looks; those that sleep stay.
      'f() { f | f & }; for i in $(seq 30); do sleep 60 & done; f; wait',
      'RESOURCE_EXHAUSTED',
      /more than 20 processes/,
    ],
    [
      'floods its log',
      'yes a-line-that-comes-again-and-again',
      'RESOURCE_EXHAUSTED',
      /printed more than 1048576 bytes/,
    ],
    [
      'fills the disk',
      'i=0; while true; do head -c 1000000 /dev/zero > f$i; i=$((i+1)); done',
      'RESOURCE_EXHAUSTED',
      /67108864 bytes to the disk/,
    ],
    ['hides what it writes', 'exec 3>f; rm f; head -c 200000000 /dev/zero >&3', 'CONFLICT', /exit code|signal/],
    [
      'fills the memory',
      '/matih/node --max-old-space-size=8000 -e "const a = []; for (;;) a.push(Buffer.alloc(1e7, 1))"',
      'RESOURCE_EXHAUSTED',
      /bytes of memory/,
    ],
    [
      'runs for too long and ignores SIGTERM',
      'trap "" TERM; /matih/node -e "process.on(\'SIGTERM\', () => 0); setInterval(() => 0, 1000)"',
      'DEADLINE_EXCEEDED',
      /longer than/,
    ],
  ])('that %s ends cleanly, with the reason in job and run', async (what, command, code, reason) => {
    const job = what.includes('too long') ? { maxDurationMs: 3_000 } : { memoryBytes: 300 * 1024 ** 2 };
    const { job: failed, runId } = await ended('FAILED', command, undefined, { job });
    expect(failed).toMatchObject({ errorCode: code, attempt: 1, run: { status: 'FAILED' } });
    expect(failed.errorMessage).toMatch(reason);
    if (code !== 'DEADLINE_EXCEEDED')
      expect(await linesOf(tess, runId)).toContain(`attempt 1 failed: ${failed.errorMessage}`);
  });

  const WAITING = {
    'client.mjs': CLIENT,
    'wait.mjs': `
      import { log } from './client.mjs';
      process.on('SIGTERM', async () => { await log('saved', 1, 1); process.exit(0); });
      await log('started', 1, 0);
      setInterval(() => {}, 1000);`,
  };

  it('can log its last state when its time is up', async () => {
    const { job } = await ended('FAILED', '/matih/node wait.mjs', WAITING, { job: { maxDurationMs: 4_000 } });
    expect(job).toMatchObject({ errorCode: 'DEADLINE_EXCEEDED', run: { status: 'FAILED' } });
    expect(job.run!.metrics.map(({ key }) => key).sort()).toEqual(['saved', 'started']);
  });

  it('ends when it is cancelled, and leaves nothing behind', async () => {
    const { jobId } = await begin('/matih/node wait.mjs', WAITING);
    await expect
      .poll(async () => (await tess.ok(ScriptJobDocument, { id: jobId })).job.run!.metrics.length, { timeout: 20_000 })
      .toBe(1);
    await tess.ok(CancelJobDetailsDocument, { input: { jobId } });
    const work = join(service.app.context.config.DATA_DIR, 'work');
    await expect.poll(() => readdirSync(work), { timeout: 20_000 }).toEqual([]);
    expect((await scriptEnd(tess, jobId, 'CANCELLED')).run!.status).toBe('KILLED');
  });

  it('ends a run as the script says, but not a failed one', async () => {
    const files = {
      'client.mjs': CLIENT,
      'end.mjs': `
        import { call, run_id } from './client.mjs';
        await call('/api/2.0/mlflow/runs/update', { run_id, status: process.argv[2], end_time: Date.now() });
        process.exit(Number(process.argv[3]));`,
    };
    expect((await ended('SUCCEEDED', '/matih/node end.mjs KILLED 0', files)).job.run!.status).toBe('KILLED');
    expect((await ended('FAILED', '/matih/node end.mjs FINISHED 4', files)).job.run!.status).toBe('FAILED');
  });
});

describe.skipIf(!hasBubblewrap)('a script is started again', () => {
  const clone = async (jobId: string) => (await tess.ok(CloneJobDocument, { input: { jobId } })).cloneJob.job;

  it('with the same code, command and dataset, also by a job that has not begun, and has a run of its own', async () => {
    const datasetId = await registerDataset(tess, { name: 'again', path: vegaPath('cars.json') });
    const first = await begin('cat a.txt', { 'a.txt': 'the same code' }, { datasetId, job: { priority: 3 } });
    const second = await clone(first.jobId);
    const third = await clone(second.id);
    expect(third).toMatchObject({ kind: 'SCRIPT', priority: 3, dataset: { id: datasetId } });
    await scriptEnd(tess, first.jobId, 'SUCCEEDED');
    for (const { id, run } of [second, third]) {
      const { run: ofJob } = await scriptEnd(tess, id, 'SUCCEEDED');
      expect(ofJob!.artifacts.map(({ path }) => path)).toContain('code/script.zip');
      expect(await linesOf(tess, run!.id)).toEqual(['attempt 1: cat a.txt', 'the same code']);
    }
    expect(new Set([first.runId, second.run!.id, third.run!.id]).size).toBe(3);
  });

  it('by a schedule, until its code is gone', async () => {
    const { jobId, runId } = await begin('cat a.txt');
    await scriptEnd(tess, jobId, 'SUCCEEDED');
    const input = { name: 'nightly script', jobId, cron: '30 2 * * *', timeZone: 'Europe/Berlin' };
    const { schedule } = (await tess.ok(CreateScheduleDetailsDocument, { input })).createSchedule;
    expect(schedule.kind).toBe('SCRIPT');
    const startNow = { input: { id: schedule.id } };
    const { start } = (await tess.ok(StartScheduleNowDocument, startNow)).startScheduleNow;
    await scriptEnd(tess, start.job!.id, 'SUCCEEDED');
    // As garbage collection does with a deleted run.
    await query(service, 'delete from artifact where run_id = $1', [runId]);
    expect(await tess.fails(StartScheduleNowDocument, startNow)).toMatchObject({
      message: 'The code of the script is gone, as its run was deleted: start a script anew.',
      extensions: { code: 'CONFLICT' },
    });
  });
});

describe.skipIf(!hasBubblewrap)('what is refused', () => {
  const refusal = async (input: object) => {
    const { uploadId } = await tess.upload('code.zip', zipOf({ 'a.txt': 'a' }));
    return tess.fails(StartScriptDetailsDocument, { input: { experimentId, uploadId, command: 'true', ...input } });
  };

  it('is a zip that is none or dangerous, an empty command, resources that are not there', async () => {
    const bad = await tess.upload('code.zip', zipOf({ '../evil.py': 'x' }));
    expect(await refusal({ uploadId: bad.uploadId })).toMatchObject({
      extensions: { code: 'BAD_USER_INPUT', field: 'input.uploadId' },
    });
    const text = await tess.upload('code.zip', 'import mlflow');
    expect(await refusal({ uploadId: text.uploadId })).toMatchObject({ extensions: { code: 'BAD_USER_INPUT' } });
    for (const command of ['', '  ', 'x'.repeat(4_001), 'a\0b'])
      expect(await refusal({ command })).toMatchObject({ extensions: { code: 'BAD_USER_INPUT' } });
    expect(await refusal({ job: { gpus: 1 } })).toMatchObject({ extensions: { field: 'input.job.gpus' } });
    expect(await refusal({ backend: 'RAY' })).toMatchObject({
      message: expect.stringContaining('RAY_ADDRESS') as string,
      extensions: { code: 'UNAVAILABLE', field: 'input.backend' },
    });
    const globex = await service.as({ tenant: 'globex' });
    const { uploadId } = await globex.upload('code.zip', zipOf({ 'a.txt': 'a' }));
    expect(await refusal({ uploadId })).toMatchObject({ extensions: { code: 'NOT_FOUND' } });
  });
});

it('no script runs where the operator has not allowed it', async () => {
  const plain = await startTestService({ LOG_LEVEL: 'silent' });
  try {
    const caller = await plain.as();
    const { uploadId } = await caller.upload('code.zip', zipOf({ 'a.txt': 'a' }));
    const input = { experimentId: await createExperiment(caller), uploadId, command: 'true' };
    expect(await caller.fails(StartScriptDetailsDocument, { input })).toMatchObject({
      message: expect.stringContaining('ALLOW_LOCAL_SCRIPTS') as string,
      extensions: { code: 'UNAVAILABLE', field: 'input.backend' },
    });
  } finally {
    await plain.close();
  }
});
