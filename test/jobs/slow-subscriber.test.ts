import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ServiceGroup, type ServiceProcess } from '../support/processes.js';
import { RawSocket } from '../support/raw-socket.js';
import { newRun } from '../support/runs.js';
import type { Caller, GraphQLErrorShape } from '../support/service.js';
import { LogMetricsDocument } from '../../schema/generated/operations.js';

// A long key that is repeated many times makes an event of 7 kB, so that the network's own buffers are soon full.
const KEY = 'k'.repeat(250);
const FIELDS = Array.from({ length: 27 }, (_, i) => `a${i}: key`).join(' ');
const QUERY = `subscription ($runId: ID!, $after: SafeInt) { runMetrics(runId: $runId, after: $after) { seq ${FIELDS} } }`;
const POINTS = 8_000;

let group: ServiceGroup;
let api: ServiceProcess;
let tess: Caller;

beforeAll(async () => {
  group = await ServiceGroup.create();
  api = await group.start('api');
  tess = await group.as(api);
});
afterAll(() => group?.close());

async function residentBytes(): Promise<number> {
  const text = await (await fetch(`${api.url}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)/m.exec(text)?.[1]);
}

class Follower {
  readonly seqs: number[] = [];
  receivedBytes = 0;
  error: GraphQLErrorShape | null = null;
  complete = false;

  /** Subscribes on a new socket, from its last position. */
  async follow(runId: string): Promise<RawSocket> {
    const socket = await RawSocket.open(tess);
    this.complete = false;
    socket.subscribe<{ runMetrics: { seq: number } }>(
      QUERY,
      { runId, after: this.seqs.at(-1) ?? 0 },
      ({ type, payload }, sizeBytes) => {
        this.receivedBytes += sizeBytes;
        if (type === 'complete') this.complete = true;
        else if (payload.errors) this.error = payload.errors[0] ?? null;
        else this.seqs.push(payload.data?.runMetrics.seq ?? NaN);
      },
    );
    return socket;
  }
}

async function logAll(runId: string): Promise<void> {
  for (let step = 0; step < POINTS; step += 1_000) {
    const metrics = Array.from({ length: 1_000 }, (_, i) => ({ key: KEY, value: 1, step: step + i }));
    await tess.ok(LogMetricsDocument, { input: { runId, metrics } });
  }
}

const all = Array.from({ length: POINTS }, (_, i) => i + 1);

it(
  'a subscriber that stops reading costs no memory: it is late without loss, and after ten seconds is told how to resume',
  { timeout: 180_000 },
  async () => {
    // The same work with a subscriber that reads everything, so that later growth is caused by those that do not.
    const quickRunId = await newRun(tess);
    const quick = new Follower();
    const quickSocket = await quick.follow(quickRunId);
    await logAll(quickRunId);
    await expect.poll(() => quick.seqs.length, { timeout: 60_000 }).toBe(POINTS);
    quickSocket.cut();
    const runId = await newRun(tess);
    const [brief, long] = [new Follower(), new Follower()];
    const [briefSocket, longSocket] = [await brief.follow(runId), await long.follow(runId)];
    const beforeBytes = await residentBytes();
    briefSocket.pause();
    longSocket.pause();
    const pausedAt = performance.now();
    await logAll(runId);
    const grownBytes = (await residentBytes()) - beforeBytes;
    briefSocket.resume();

    await pause(Math.max(0, 12_000 - (performance.now() - pausedAt)));
    longSocket.resume();
    await expect.poll(() => long.complete, { timeout: 30_000, interval: 200 }).toBe(true);
    const before = long.seqs.length;
    expect(long.error).toMatchObject({
      extensions: { code: 'RESOURCE_EXHAUSTED' },
      message: expect.stringContaining('`after`'),
    });
    expect(long.seqs).toEqual(all.slice(0, before));
    const resumedSocket = await long.follow(runId);
    await expect
      .poll(() => Math.min(brief.seqs.length, long.seqs.length), { timeout: 90_000, interval: 200 })
      .toBe(POINTS);
    expect(long.seqs).toEqual(all);
    expect(brief.seqs).toEqual(all);
    expect(brief.error).toBeNull();
    const megabytes = (bytes: number) => (bytes / 1024 ** 2).toFixed(0);
    console.log(
      `slow subscribers: ${megabytes(brief.receivedBytes)} MB of events for each, service grew by ` +
        `${megabytes(grownBytes)} MB; closed after ${before} of ${POINTS} events, then resumed`,
    );
    expect(grownBytes).toBeLessThan(40 * 1024 ** 2);
    for (const socket of [briefSocket, longSocket, resumedSocket]) socket.cut();
  },
);
