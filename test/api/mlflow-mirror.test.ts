import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { MlflowCaller, type MlflowRun } from '../support/mlflow.js';
import { startTestService, type TestService } from '../support/service.js';
import { query } from '../support/tracking.js';

type Held = (path: string, body: string) => 'request' | 'answer' | false;

let there: TestService;
let theirs: MlflowCaller;
let gate: Server;
let here: TestService;
let ours: MlflowCaller;
let settings: Record<string, string>;
let holds: Held = () => false;
let release: () => void = () => undefined;
let held = Promise.withResolvers<void>();

beforeAll(async () => {
  // The tracking server is another service of this kind, because it speaks MLflow's protocol.
  there = await startTestService({ ROLE: 'api' });
  theirs = await MlflowCaller.of(there, { role: Role.ADMIN });
  const { port } = new URL(there.url);
  // Passes everything on, and holds back one request or one answer.
  gate = createServer((asked, answer) => {
    void (async () => {
      const { method, url = '', headers } = asked;
      const body = await buffer(asked);
      const isHeld = holds(url, body.toString());
      if (isHeld) holds = () => false;
      if (isHeld === 'request') await kept();
      const passed = request({ port, method, path: url, headers });
      passed.end(body);
      const [response] = (await once(passed, 'response')) as [IncomingMessage];
      const content = await buffer(response);
      if (isHeld === 'answer') await kept();
      answer.writeHead(response.statusCode ?? 500, { 'content-type': 'application/json' }).end(content);
    })().catch(() => answer.destroy());
  }).listen(0, '127.0.0.1');
  await once(gate, 'listening');
  settings = {
    MLFLOW_TRACKING_URI: `http://127.0.0.1:${(gate.address() as AddressInfo).port}`,
    MLFLOW_TRACKING_TOKEN: theirs.token,
  };
  here = await startTestService(settings);
  ours = await MlflowCaller.of(here, { role: Role.ADMIN });
});
afterAll(async () => {
  await here?.close();
  gate?.close();
  await there?.close();
});

function kept(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  release = resolve;
  held.resolve();
  return promise;
}

/** Holds back the next such request, or its answer. */
function hold(which: Held): Promise<void> {
  held = Promise.withResolvers<void>();
  holds = which;
  return held.promise;
}

/** Everything that must still be mirrored: changes in the outbox, and tasks. */
const tasks = () => query(here, 'select type from object_change union all select kind from mirror_task');
async function settled(): Promise<void> {
  await expect.poll(tasks, { timeout: 20_000 }).toEqual([]);
}

/** The runs there that were made from a run here. */
async function twins(runId: string): Promise<MlflowRun[]> {
  const { experiments } = await theirs.post<{ experiments: { experiment_id: string }[] }>('experiments/search', {
    max_results: 100,
  });
  const { runs } = await theirs.post<{ runs?: MlflowRun[] }>('runs/search', {
    experiment_ids: experiments.map(({ experiment_id: id }) => id),
    filter: `tags.\`matih.runId\` = '${runId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')}'`,
  });
  return runs ?? [];
}

const tagOf = (run: MlflowRun | undefined, wanted: string) => run?.data.tags?.find(({ key }) => key === wanted)?.value;
/** As if the worker had been frozen for this long. */
const loseLeases = () => query(here, `update mirror_task set not_before = now()`);

it('a worker that was frozen and considered lost sends nothing more', async () => {
  const runId = await ours.newRun({ run_name: 'first' });
  await settled();
  const frozen = hold((path, body) => path.endsWith('runs/log-batch') && body.includes('second') && 'answer');
  await ours.post('runs/update', { run_id: runId, run_name: 'second' });
  await ours.post('runs/set-tag', { run_id: runId, key: 'owner', value: 'second' });
  await frozen;
  const letGo = release;
  const other = await startTestService(
    { ...settings, ROLE: 'worker', DATA_DIR: here.app.context.config.DATA_DIR },
    here.database,
  );
  try {
    await ours.post('runs/update', { run_id: runId, run_name: 'third' });
    await ours.post('runs/set-tag', { run_id: runId, key: 'owner', value: 'third' });
    await loseLeases();
    await settled();
    letGo();
    await sleep(1_000);
    const [twin] = await twins(runId);
    expect([twin?.info['run_name'], tagOf(twin, 'owner')]).toEqual(['third', 'third']);
    // The stored ids are right too, so that it can be undone.
    await ours.post('runs/delete-tag', { run_id: runId, key: 'owner' });
    await ours.post('runs/update', { run_id: runId, run_name: 'second' });
    await settled();
    const [after] = await twins(runId);
    expect([after?.info['run_name'], tagOf(after, 'owner')]).toEqual(['second', undefined]);
  } finally {
    await other.close();
  }
});

it('two workers that need the same parent create it once', async () => {
  const frozen = hold((path, body) => path.endsWith('runs/create') && body.includes('the-parent') && 'request');
  const parent = await ours.newRun({ run_name: 'the-parent' });
  await frozen;
  const letGo = release;
  const other = await startTestService(
    { ...settings, ROLE: 'worker', DATA_DIR: here.app.context.config.DATA_DIR },
    here.database,
  );
  try {
    const child = await ours.newRun({ run_name: 'child', tags: [{ key: 'mlflow.parentRunId', value: parent }] });
    await expect.poll(() => twins(child), { timeout: 20_000 }).toHaveLength(1);
    await sleep(1_000);
    letGo();
    await settled();
    const made = await twins(parent);
    expect(made).toHaveLength(1);
    const [twin] = await twins(child);
    expect(tagOf(twin, 'mlflow.parentRunId')).toBe(made[0]!.info.run_id);
  } finally {
    await other.close();
  }
});

it('a process that stops does not wait for an answer that never comes', async () => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const own = await startTestService({ MLFLOW_TRACKING_URI: `http://127.0.0.1:${port}` });
  const asked = once(silent, 'request');
  await (await MlflowCaller.of(own)).newRun();
  await asked;
  await sleep(300);
  const beganMs = performance.now();
  await own.close();
  expect(performance.now() - beganMs).toBeLessThan(5_000);
  silent.closeAllConnections();
  silent.close();
});
