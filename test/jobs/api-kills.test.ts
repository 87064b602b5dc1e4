import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { ServiceProcess } from '../support/processes.js';
import { Caller, SECRET, tokenFor } from '../support/service.js';
import {
  CollectGarbageDocument,
  CreateRunDocument,
  FollowEventsDocument,
  LogMetricsDocument,
  SearchRunsDocument,
} from '../../schema/generated/operations.js';
import {
  CreateExperimentDetailsDocument,
  JobStatusResultDocument,
  RunForMetricHistoryDocument,
} from '../generated/operations.js';

/** How often the whole service is killed; the full number runs with `npm run test:faults`. */
const KILLS = Number(process.env['MATIH_FAULT_KILLS'] ?? 3);
const CLIENTS = 4;

let dataDir: string;
let service: ServiceProcess;

const start = () =>
  ServiceProcess.start({
    PORT: '0',
    DATA_DIR: dataDir,
    AUTH_JWT_SECRET: SECRET,
    LOG_LEVEL: 'error',
    INFERENCE_HOSTS: '1',
  });
const caller = async () => new Caller(service.url, await tokenFor());

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'matih-kills-'));
  await chmod(dataDir, 0o755);
  service = await start();
});
afterAll(async () => {
  await service?.end('SIGTERM');
  await rm(dataDir, { recursive: true, force: true });
});

async function newRun(): Promise<string> {
  const tess = await caller();
  const { createExperiment } = await tess.ok(CreateExperimentDetailsDocument, { input: { name: 'kills' } });
  const { createRun } = await tess.ok(CreateRunDocument, { input: { experimentId: createExperiment.experiment.id } });
  return createRun.run.id;
}

describe('the service, killed at random', () => {
  it(`keeps every write that it acknowledged, ${KILLS} times`, { timeout: 60_000 + KILLS * 20_000 }, async () => {
    const runId = await newRun();
    /** By kill, because a history of more than 10,000 points would be reduced. */
    const acknowledged: number[][] = [];
    const readyMs: number[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      const tess = await caller();
      let killed = false;
      let step = 0;
      const mine: number[] = [];
      acknowledged.push(mine);
      const writers = Array.from({ length: CLIENTS }, async () => {
        while (!killed) {
          const next = step++;
          const metrics = [{ key: `loss-${kill}`, value: next, step: next }];
          const answer = await tess.send(LogMetricsDocument, { input: { runId, metrics } }).catch(() => null);
          if (answer?.data) mine.push(next);
        }
      });
      await new Promise((resolve) => setTimeout(resolve, 200 + Math.random() * 800));
      await service.end('SIGKILL');
      killed = true;
      await Promise.all(writers);
      const startedAt = performance.now();
      service = await start();
      readyMs.push(performance.now() - startedAt);
    }
    const tess = await caller();
    let lost = 0;
    let twice = 0;
    for (const [kill, steps] of acknowledged.entries()) {
      const { run } = await tess.ok(RunForMetricHistoryDocument, { id: runId, key: `loss-${kill}`, n: 10_000 });
      const kept = new Set(run.metricHistory.map((point) => point.step));
      lost += steps.filter((step) => !kept.has(step)).length;
      twice += run.metricHistory.length - kept.size;
    }
    const total = acknowledged.flat().length;
    readyMs.sort((a, b) => a - b);
    console.log(
      `${KILLS} kills: ${total} writes acknowledged, ${lost} lost; ready again after ` +
        `${Math.round(readyMs[readyMs.length >> 1] ?? 0)} ms (median), ${Math.round(readyMs.at(-1) ?? 0)} ms ` +
        '(longest)',
    );
    expect(total).toBeGreaterThan(KILLS);
    expect({ lost, twice }).toEqual({ lost: 0, twice: 0 });
  });

  it(
    `keeps every small file that it acknowledged, complete, ${KILLS} times`,
    { timeout: 60_000 + KILLS * 20_000 },
    async () => {
      const token = await tokenFor();
      const headers = { authorization: `Bearer ${token}` };
      const created = await fetch(`${service.url}/api/2.0/mlflow/runs/create`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ experiment_id: '0' }),
      });
      const { run } = (await created.json()) as { run: { info: { run_id: string } } };
      const names = Array.from({ length: CLIENTS }, (_, i) => `changing-${i}`);
      const send = (name: string, content?: string) =>
        fetch(`${service.url}/api/2.0/mlflow-artifacts/artifacts/0/${run.info.run_id}/artifacts/files/${name}`, {
          method: content === undefined ? 'GET' : 'PUT',
          headers,
          ...(content !== undefined && { body: content }),
        });
      /** The acknowledged contents of each file; a file that changes may have a later content too. */
      const allowed = new Map<string, Set<string>>();
      let acknowledged = 0;
      for (let kill = 0; kill < KILLS; kill++) {
        let killed = false;
        const writers = names.map(async (changing, i) => {
          for (let n = 0; !killed; n++) {
            const name = n % 3 === 0 ? changing : `${kill}-${i}-${n}`;
            const content = `${kill} ${i} ${n} ${'x'.repeat(n % 3 === 2 ? 50_000 : 0)}`;
            const answer = await send(name, content).catch(() => null);
            if (answer?.ok) {
              allowed.set(name, new Set([content]));
              acknowledged++;
            } else allowed.get(name)?.add(content);
          }
        });
        await new Promise((resolve) => setTimeout(resolve, 200 + Math.random() * 800));
        await service.end('SIGKILL');
        killed = true;
        await Promise.all(writers);
        service = await start();
      }
      const wrong: string[] = [];
      for (const [name, contents] of allowed) {
        const answer = await send(name);
        if (!answer.ok || !contents.has(await answer.text())) wrong.push(name);
      }
      console.log(`${KILLS} kills: ${acknowledged} small files acknowledged, ${wrong.length} lost or wrong`);
      expect(acknowledged).toBeGreaterThan(KILLS);
      expect(wrong).toEqual([]);
      // Everything that a kill left has an entry by which the sweeper finds it.
      const root = new Caller(service.url, await tokenFor({ role: Role.ADMIN }));
      const { collectGarbage } = await root.ok(CollectGarbageDocument, { input: { checkStorage: true } });
      await expect
        .poll(
          async () =>
            (
              await root.ok(JobStatusResultDocument, {
                id: collectGarbage.job.id,
              })
            ).job,
          {
            timeout: 30_000,
          },
        )
        .toMatchObject({
          status: 'SUCCEEDED',
          result: { storage: { objectsWithoutRow: { count: 0 }, rowsWithoutObject: { count: 0 } } },
        });
    },
  );

  it('finishes running requests when it is stopped under load', async () => {
    const runId = await newRun().catch(async () => {
      const { runs } = await (await caller()).ok(SearchRunsDocument, { first: 1 });
      return runs.nodes[0]?.id ?? '';
    });
    const tess = await caller();
    const client = tess.socket();
    const closed = new Promise<number>((resolve) =>
      client.on('closed', (event) => resolve((event as { code: number }).code)),
    );
    client.subscribe(
      { query: FollowEventsDocument.toString() },
      { next: () => undefined, error: () => undefined, complete: () => undefined },
    );
    let asked = false;
    const broken: unknown[] = [];
    const writers = Array.from({ length: CLIENTS }, async () => {
      for (let n = 0; ; n++) {
        const late = asked;
        try {
          const answer = await tess.send(LogMetricsDocument, {
            input: { runId, metrics: [{ key: 'drain', value: n, step: n }] },
          });
          if (answer.errors) throw answer.errors[0];
        } catch (error) {
          // A request that is sent after the signal may be refused; one that was sent before must be answered.
          if (!late) broken.push(error);
          return;
        }
      }
    });
    await new Promise((resolve) => setTimeout(resolve, 500));
    asked = true;
    const startedAt = performance.now();
    const code = await service.end('SIGTERM');
    await Promise.all(writers);
    console.log(`ended ${Math.round(performance.now() - startedAt)} ms after SIGTERM under load, code ${code}`);
    expect(code).toBe(0);
    expect(await closed).toBe(1001);
    expect(broken).toEqual([]);
    await client.dispose();
    service = await start();
  });
});
