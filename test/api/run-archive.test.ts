import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holdPut } from '../support/held-put.js';
import type { Caller, TestService } from '../support/service.js';
import { startTestService } from '../support/service.js';
import { createRun, mutate, query } from '../support/tracking.js';
import { AppendRunLogsDocument } from '../../schema/generated/operations.js';
import {
  FinishRunDetailsDocument,
  LogArtifactDetailsDocument,
  LogMetricsDetailsDocument,
  ResumeRunDetailsDocument,
  RunDetailsDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

/** The files of a run after its archive jobs have ended. */
async function archived(runId: string, jobs = 1): Promise<Map<string, string>> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const rows = await query<{ status: string }>(
      service,
      `select status from job where run_id = $1 and kind = 'RUN_ARCHIVE'`,
      [runId],
    );
    if (rows.length === jobs && rows.every(({ status }) => status === 'SUCCEEDED')) break;
    if (Date.now() > deadline) throw new Error(`archive jobs: ${JSON.stringify(rows)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { run } = await tess.ok(RunDetailsDocument, {
    id: runId,
  });
  const files = new Map<string, string>();
  for (const { id, path, sizeBytes } of run.artifacts) {
    const response = await fetch(`${service.url}/artifacts/${id}`, {
      headers: { authorization: `Bearer ${tess.token}`, connection: 'close' },
    });
    const text = await response.text();
    expect(Buffer.byteLength(text)).toBe(sizeBytes);
    files.set(path, text);
  }
  return files;
}

const finish = (runId: string) => mutate(tess, FinishRunDetailsDocument, { runId, status: 'FINISHED' });
const keysOf = (runId: string) =>
  query<{ object_key: string }>(service, 'select object_key from artifact where run_id = $1 order by path', [runId]);

describe('a run of external code that ends', () => {
  it('has its log and its histories as files, and again after it was resumed', async () => {
    const runId = await createRun(tess);
    const loggedAt = '2026-01-01T00:00:00.000Z';
    await mutate(tess, AppendRunLogsDocument, {
      runId,
      lines: [
        { line: 'début', loggedAt },
        { line: 'oops', loggedAt, stream: 'STDERR' },
      ],
    });
    const metrics = [
      { key: 'loss', value: 0.5, step: 0, loggedAt },
      { key: 'loss', value: 'NaN', step: 1, loggedAt },
      { key: 'loss', value: '-Infinity', step: 2, loggedAt },
      { key: 'a "quoted" key', value: 1, step: 7, loggedAt },
    ];
    await mutate(tess, LogMetricsDetailsDocument, { runId, metrics });
    await finish(runId);
    const files = await archived(runId);
    expect([...files.keys()]).toEqual(['logs/run.log', 'metrics/history.json']);
    expect(files.get('logs/run.log')).toBe(`${loggedAt} STDOUT début\n${loggedAt} STDERR oops\n`);
    expect(JSON.parse(files.get('metrics/history.json')!)).toEqual({
      runId,
      metrics: {
        'a "quoted" key': [{ step: 7, loggedAt, value: 1 }],
        loss: [
          { step: 0, loggedAt, value: 0.5 },
          { step: 1, loggedAt, value: 'NaN' },
          { step: 2, loggedAt, value: '-Infinity' },
        ],
      },
    });
    for (const [i, folder] of ['logs', 'metrics'].entries())
      expect((await keysOf(runId))[i]).toMatchObject({
        object_key: expect.stringContaining(`acme/runs/${runId}/${folder}/`),
      });
    await mutate(tess, ResumeRunDetailsDocument, { runId });
    await mutate(tess, AppendRunLogsDocument, { runId, lines: [{ line: 'more', loggedAt }] });
    await finish(runId);
    const again = await archived(runId, 2);
    expect(again.get('logs/run.log')).toMatch(/début[^]*oops[^]*more\n$/);
    expect([...again.keys()]).toEqual(['logs/run.log', 'metrics/history.json']);
    expect(await query(service, 'select object_key from staged_object')).toEqual([]);
  });

  it('needs no job when it has logged nothing, and keeps its own file at the same path', async () => {
    const empty = await createRun(tess);
    await finish(empty);
    expect(await query(service, 'select id from job where run_id = $1', [empty])).toEqual([]);
    const runId = await createRun(tess);
    const { uploadId } = await tess.upload('run.log', 'my own');
    await mutate(tess, LogArtifactDetailsDocument, { runId, path: 'logs/run.log', uploadId });
    await mutate(tess, AppendRunLogsDocument, { runId, lines: [{ line: 'x' }] });
    await finish(runId);
    const files = await archived(runId);
    expect([...files]).toEqual([['logs/run.log', 'my own']]);
  });

  it('with many points: the file is written as a stream', async () => {
    const points = Number(process.env['MATIH_FAULT_POINTS'] ?? 50_000);
    const runId = await createRun(tess);
    await query(
      service,
      `insert into metric_point (tenant, run_id, key, step, logged_at, value, seq)
       select 'acme', $1, 'key-' || n % 10, n, timestamptz '2026-01-01', n, n from generate_series(1, $2::int) n`,
      [runId, points],
    );
    await query(service, 'update run_counter set last_seq = $2 where run_id = $1', [runId, points]);
    const before = process.memoryUsage().rss;
    const startedMs = performance.now();
    await finish(runId);
    const text = (await archived(runId)).get('metrics/history.json')!;
    const history = JSON.parse(text) as { metrics: Record<string, object[]> };
    expect(Object.values(history.metrics).reduce((sum, list) => sum + list.length, 0)).toBe(points);
    const grownMb = (process.memoryUsage().rss - before) / 2 ** 20;
    console.log(
      `${points} points archived and read back in ${(performance.now() - startedMs).toFixed(0)} ms, ` +
        `${(text.length / 2 ** 20).toFixed(1)} MB, RSS +${grownMb.toFixed(0)} MB`,
    );
  });

  it('with a long history: its blocks are made before anybody reads it', async () => {
    const runId = await createRun(tess);
    const metrics = ['long', 'short'].map((key) => ({ key, value: 1, step: 1 }));
    await mutate(tess, LogMetricsDetailsDocument, { runId, metrics });
    await query(
      service,
      `insert into metric_point (tenant, run_id, key, step, logged_at, value, seq)
       select 'acme', $1, 'long', n, timestamptz '2026-01-01', n, n from generate_series(3, 70000) n`,
      [runId],
    );
    await query(service, 'update run_counter set last_seq = 70000 where run_id = $1', [runId]);
    await finish(runId);
    await archived(runId);
    const made = await query<{ key: string; blocks: number }>(
      service,
      'select key, count(*)::int as blocks from metric_block where run_id = $1 group by key',
      [runId],
    );
    expect(made).toEqual([{ key: 'long', blocks: expect.closeTo(70_000 / 64, -1) as number }]);
  });

  it('and whose worker was frozen: a file that is sent late replaces nothing and leaves nothing', async () => {
    const runId = await createRun(tess);
    await mutate(tess, AppendRunLogsDocument, { runId, lines: [{ line: 'early' }] });
    const frozen = holdPut(service, new RegExp(`${runId}/logs/`));
    await finish(runId);
    const lateKey = await frozen.key;
    const other = await startTestService(
      { ROLE: 'worker', DATA_DIR: service.app.context.config.DATA_DIR },
      service.database,
    );
    try {
      await query(service, `update run_log set line = 'as the second attempt has read it' where run_id = $1`, [runId]);
      await service.app.context.services.jobs.reconcile(0);
      const told = await archived(runId);
      expect(told.get('logs/run.log')).toMatch(/as the second attempt has read it\n$/);
      await frozen.release();
      expect(await archived(runId)).toEqual(told);
      await expect.poll(() => query(service, 'select object_key from staged_object')).toEqual([]);
      const keys: string[] = [];
      for await (const key of service.app.context.objects.list(`acme/runs/${runId}`)) keys.push(key);
      expect(keys).toEqual((await keysOf(runId)).map(({ object_key: key }) => key));
      expect(keys).not.toContain(lateKey);
    } finally {
      await other.close();
    }
  });
});
