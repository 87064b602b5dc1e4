import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { RawSocket } from '../support/raw-socket.js';
import { newRun } from '../support/runs.js';
import { startTestService } from '../support/service.js';
import { LogMetricsDocument } from '../../schema/generated/operations.js';
import { RunMetricsForSubscriptionCutsDocument } from '../generated/operations.js';

const CUTS = Number(process.env['MATIH_FAULT_CUTS'] ?? 20);

it(`${CUTS} cuts of a subscription lose nothing and repeat nothing`, { timeout: 60_000 + CUTS * 1_000 }, async () => {
  const service = await startTestService();
  try {
    const tess = await service.as();
    const runId = await newRun(tess);
    const seen: number[] = [];
    let logged = 0;
    let logging = true;
    const log = async () => {
      for (; logging; await pause(5)) {
        const size = 1 + Math.floor(Math.random() * 40);
        const metrics = Array.from({ length: size }, () => ({ key: 'loss', value: Math.random(), step: ++logged }));
        await tess.ok(LogMetricsDocument, { input: { runId, metrics } });
      }
    };
    const follow = async () => {
      const socket = await RawSocket.open(tess);
      socket.subscribe(
        RunMetricsForSubscriptionCutsDocument,
        { runId, after: seen.at(-1) ?? 0 },
        ({ type, payload }) => {
          if (type === 'next') seen.push(payload.data?.runMetrics.seq ?? NaN);
        },
      );
      return socket;
    };
    const writer = log();
    let brokenInMidStream = 0;
    for (let cut = 0; cut < CUTS; cut++) {
      const before = seen.length;
      const socket = await follow();
      await pause(10 + Math.random() * 120);
      socket.cut();
      if (seen.length > before) brokenInMidStream++;
    }
    logging = false;
    await writer;
    const socket = await follow();
    await expect.poll(() => seen.length, { timeout: 30_000 }).toBeGreaterThanOrEqual(logged);
    await pause(200);
    socket.cut();
    console.log(
      `subscription cuts: ${CUTS}, of which ${brokenInMidStream} after deliveries; ${logged} points logged, ` +
        `${seen.length} delivered`,
    );
    expect(seen).toEqual(Array.from({ length: logged }, (_, i) => i + 1));
    expect(brokenInMidStream).toBeGreaterThan(CUTS / 4);
  } finally {
    await service.close();
  }
});
