import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ServiceGroup } from '../support/processes.js';
import { RawSocket } from '../support/raw-socket.js';
import { newRun } from '../support/runs.js';
import { FollowRunMetricsDocument, LogMetricsDocument } from '../../schema/generated/operations.js';

const SUBSCRIPTIONS = Number(process.env['MATIH_FAULT_SUBSCRIPTIONS'] ?? 1_000);
const PER_SOCKET = 100;
const POINTS = 20;
const MAX_P99_MS = 2_000;
const MAX_BYTES = 1024 ** 3;

it(`${SUBSCRIPTIONS} subscriptions get every event within ${MAX_P99_MS} ms`, { timeout: 300_000 }, async () => {
  const group = await ServiceGroup.create();
  try {
    const api = await group.start('api');
    const tess = await group.as(api);
    const runId = await newRun(tess);
    const sentAt: number[] = [];
    const latenciesMs: number[] = [];
    const sockets: RawSocket[] = [];
    let opened = 0;
    for (let i = 0; i < SUBSCRIPTIONS / PER_SOCKET; i++) {
      const socket = await RawSocket.open(tess);
      sockets.push(socket);
      for (let j = 0; j < PER_SOCKET; j++) {
        socket.subscribe(FollowRunMetricsDocument, { runId, after: 0 }, ({ payload }) => {
          const { step } = payload.data?.runMetrics ?? { step: 0 };
          if (step > 0) latenciesMs.push(performance.now() - (sentAt[step] ?? NaN));
          else opened++;
        });
      }
    }
    // The first point shows who is connected.
    await tess.ok(LogMetricsDocument, { input: { runId, metrics: [{ key: 'loss', value: 1, step: 0 }] } });
    await expect.poll(() => opened, { timeout: 120_000, interval: 200 }).toBe(SUBSCRIPTIONS);
    for (let step = 1; step <= POINTS; step++) {
      sentAt[step] = performance.now();
      await tess.ok(LogMetricsDocument, { input: { runId, metrics: [{ key: 'loss', value: Math.random(), step }] } });
      await pause(500);
    }
    await expect.poll(() => latenciesMs.length, { timeout: 60_000, interval: 200 }).toBe(SUBSCRIPTIONS * POINTS);
    const text = await (await fetch(`${api.url}/metrics`)).text();
    const bytes = Number(/^process_resident_memory_bytes (\S+)/m.exec(text)?.[1]);
    const p99 = latenciesMs.toSorted((a, b) => a - b)[Math.floor(latenciesMs.length * 0.99)] ?? Infinity;
    console.log(
      `${SUBSCRIPTIONS} subscriptions on ${sockets.length} sockets: ${latenciesMs.length} deliveries, p99 ` +
        `${p99.toFixed(0)} ms, service ${(bytes / 1024 ** 2).toFixed(0)} MB`,
    );
    expect(p99).toBeLessThanOrEqual(MAX_P99_MS);
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
    for (const socket of sockets) socket.cut();
  } finally {
    await group.close();
  }
});
