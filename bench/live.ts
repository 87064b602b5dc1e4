// Live metrics: the time from a logMetrics call to its delivery, and sending one run to many subscribers, compared with
// raw WebSockets that serialise once (ratio) and with plain graphql-ws. These two peers have no database and create
// their events themselves.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import {
  BenchLogMetricsDocument,
  BenchRunMetricsDocument,
  type BenchRunMetricsSubscription,
} from './generated/operations.ts';
import { median, percentile, report } from './support/report.ts';
import { newRun } from './support/runs.ts';
import { startPeer, startService, withDataDir, type Service } from './support/service.ts';
import { Subscribers } from './support/subscribers.ts';

const LATENCY_SAMPLES = 300;
const LATENCY_PAUSE_MS = 10;
const LATENCY_GOAL_MS = 20;
const SUBSCRIBERS = 500;
const ROUNDS = 4;
const BATCHES = 5;
const BATCH_SIZE = 20;
const PLAIN_GOAL = 2;

const QUERY = BenchRunMetricsDocument.toString();

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Milliseconds from the start of a call to the delivery of its point, one point at a time. */
async function latencies(service: Service): Promise<number[]> {
  const runId = await newRun(service);
  const client = createClient({
    url: service.wsUrl,
    webSocketImpl: WebSocket,
    connectionParams: { token: service.token },
  });
  const waiting = new Map<number, (now: number) => void>();
  const failed = Promise.withResolvers<never>();
  client.subscribe<BenchRunMetricsSubscription>(
    { query: QUERY, variables: { runId } },
    {
      next: ({ data }) => waiting.get(data?.runMetrics.step ?? -1)?.(performance.now()),
      error: failed.reject,
      complete: () => undefined,
    },
  );
  await pause(500);
  const measured: number[] = [];
  for (let step = 0; step < LATENCY_SAMPLES; step++) {
    const started = performance.now();
    const delivered = new Promise<number>((resolve) => waiting.set(step, resolve));
    await service.send(BenchLogMetricsDocument, {
      input: { runId, metrics: [{ key: 'loss', value: Math.random(), step }] },
    });
    measured.push((await Promise.race([delivered, failed.promise])) - started);
    await pause(LATENCY_PAUSE_MS);
  }
  await client.dispose();
  return measured.slice(20);
}

interface Side {
  subscribers: Subscribers;
  emit(): Promise<unknown>;
}

async function serviceSide(service: Service): Promise<Side> {
  const runId = await newRun(service);
  const subscribers = await Subscribers.open(service.wsUrl, SUBSCRIBERS, {
    token: service.token,
    query: QUERY,
    variables: { runId },
  });
  let step = 0;
  const batch = () => ({
    runId,
    metrics: Array.from({ length: BATCH_SIZE }, () => ({ key: 'loss', value: Math.random(), step: step++ })),
  });
  return {
    subscribers,
    emit: () =>
      Promise.all(Array.from({ length: BATCHES }, () => service.send(BenchLogMetricsDocument, { input: batch() }))),
  };
}

async function peerSide(
  port: number,
  operation?: { query: string; variables: Record<string, unknown> },
): Promise<Side> {
  const subscribers = await Subscribers.open(`ws://127.0.0.1:${port}`, SUBSCRIBERS, operation);
  const body = JSON.stringify({ batches: BATCHES, batchSize: BATCH_SIZE });
  return { subscribers, emit: () => fetch(`http://127.0.0.1:${port}/emit`, { method: 'POST', body }) };
}

/** Deliveries per second of each side; the sides take turns. */
async function fanOut(sides: Record<string, Side>): Promise<Record<string, number[]>> {
  const rates: Record<string, number[]> = {};
  const events = BATCHES * BATCH_SIZE;
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, { subscribers, emit }] of Object.entries(sides)) {
      const elapsedMs = await subscribers.receive(events, emit);
      // Round 0 warms up and is not counted.
      if (round > 0) (rates[name] ??= []).push((events * SUBSCRIBERS) / (elapsedMs / 1000));
    }
  }
  return rates;
}

await withDataDir(async (dataDir) => {
  const service = await startService(dataDir);
  const raw = await startPeer<{ port: number }>(new URL('support/peer-raw.ts', import.meta.url));
  const plain = await startPeer<{ port: number }>(new URL('support/peer-graphql-ws.ts', import.meta.url));
  const open: Side[] = [];
  try {
    const measured = await latencies(service);
    const sides = {
      service: await serviceSide(service),
      raw: await peerSide(raw.ready.port),
      plain: await peerSide(plain.ready.port, { query: QUERY, variables: { runId: '1' } }),
    };
    open.push(...Object.values(sides));
    await pause(1_000);
    const rates = await fanOut(sides);
    const ratios = (other: string) => (rates['service'] ?? []).map((rate, i) => rate / (rates[other]?.[i] ?? NaN));
    const p95 = percentile(measured, 0.95);
    const timesPlain = median(ratios('plain'));
    report('live', median(ratios('raw')), 0.6, 'higher', {
      latencyP50Ms: percentile(measured, 0.5),
      latencyP95Ms: p95,
      latencyOk: p95 <= LATENCY_GOAL_MS,
      timesPlainGraphqlWs: timesPlain,
      timesPlainOk: timesPlain >= PLAIN_GOAL,
      subscribers: SUBSCRIBERS,
      deliveriesPerSecond: Object.fromEntries(Object.entries(rates).map(([name, values]) => [name, median(values)])),
      ratiosToRaw: ratios('raw'),
    });
  } finally {
    for (const { subscribers } of open) subscribers.close();
    await Promise.all([service.stop(), raw.stop(), plain.stop()]);
  }
});
