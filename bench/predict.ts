// `predict` through GraphQL, compared with a minimal Fastify server with the same inference runtime and batching:
// requests of one row and of sixteen, 64 clients. ratio = the worse of the two. Also measured: the runtime alone in a
// loop, and how long the event loop was blocked.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BenchPredictDocument } from './generated/operations.ts';
import { deployModel } from './support/endpoint.ts';
import { load, postRequest } from './support/http-load.ts';
import { multilayer } from './support/network.ts';
import { median, percentile, report, type Figures } from './support/report.ts';
import { startPeer, startService, withDataDir, type Service } from './support/service.ts';

const WIDTHS = [100, 128, 64, 5];
const INPUTS = WIDTHS[0] ?? 0;
const CLIENTS = 64;
const ROUNDS = 5;
const ROUND_MS = 2_000;
const ROWS_PER_REQUEST = [1, 16];
const HOSTS = 2;
/** A busy endpoint logs only a sample for its monitoring. */
const LOG_SAMPLE_RATE = 0.01;
const EVENT_LOOP_GOAL_MS = 10;
/** The delay histogram samples every ten milliseconds and includes this interval. */
const EVENT_LOOP_SAMPLING_MS = 10;

const PREDICT = BenchPredictDocument.toString();

function values(rows: number, seed: number): number[] {
  return Array.from({ length: rows * INPUTS }, (_, i) => Number(Math.sin(i + seed).toFixed(5)));
}

async function compare(
  service: Service,
  endpointId: string,
  peerPort: number,
  rows: number,
): Promise<Figures & { ratio: number }> {
  const shape = [rows, INPUTS];
  const inputs = Array.from({ length: 50 }, (_, seed) => ({ shape, data: values(rows, seed) }));
  const graphql = inputs.map((input) =>
    postRequest(
      '/graphql',
      JSON.stringify({
        query: PREDICT,
        variables: { input: { endpointId, tensors: [{ name: 'x', datatype: 'FP32', ...input }] } },
      }),
      { authorization: `Bearer ${service.token}` },
    ),
  );
  const plain = inputs.map((input) => postRequest('/predict', JSON.stringify(input)));
  const check = (body: string) => {
    const answer = JSON.parse(body) as {
      data?: { predict: { outputs: { data: number[] }[] } };
      outputs?: { data: number[] }[];
    };
    const [output] = answer.outputs ?? answer.data?.predict.outputs ?? [];
    if (output?.data.length !== rows * (WIDTHS.at(-1) ?? 0)) throw new Error(`a wrong answer: ${body.slice(0, 300)}`);
  };
  const options = { connections: CLIENTS, durationMs: ROUND_MS, check };
  const rates: Record<'graphql' | 'fastify', number[]> = { graphql: [], fastify: [] };
  const latenciesMs: number[] = [];
  const delaysMs: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    // Reading the metric begins a new measurement.
    await service.metric('nodejs_eventloop_lag_p99_seconds');
    const ours = await load({ port: Number(new URL(service.url).port), requests: graphql, ...options });
    const delayMs = (await service.metric('nodejs_eventloop_lag_p99_seconds')) * 1000 - EVENT_LOOP_SAMPLING_MS;
    const theirs = await load({ port: peerPort, requests: plain, ...options });
    // Round 0 warms up and is not counted.
    if (round === 0) continue;
    rates.graphql.push(ours.requestsPerSecond);
    rates.fastify.push(theirs.requestsPerSecond);
    latenciesMs.push(...ours.latenciesMs);
    delaysMs.push(delayMs);
  }
  const ratios = rates.graphql.map((rate, i) => rate / (rates.fastify[i] ?? NaN));
  return {
    ratio: median(ratios),
    graphqlRequestsPerSecond: median(rates.graphql),
    fastifyRequestsPerSecond: median(rates.fastify),
    graphqlRowsPerSecond: median(rates.graphql) * rows,
    latencyP50Ms: percentile(latenciesMs, 0.5),
    latencyP99Ms: percentile(latenciesMs, 0.99),
    eventLoopDelayP99Ms: median(delaysMs),
    ratios,
  };
}

await withDataDir(async (dataDir) => {
  const model = await multilayer(WIDTHS);
  const path = join(dataDir, 'bench.onnx');
  await writeFile(path, model);
  const bare = await startPeer<{ rowsPerSecond: number }>(new URL('support/bare-runtime.ts', import.meta.url), [
    path,
    String(INPUTS),
    '512',
    '2',
  ]);
  await bare.stop();
  const service = await startService(join(dataDir, 'service'), { settings: { INFERENCE_HOSTS: String(HOSTS) } });
  const peer = await startPeer<{ port: number }>(new URL('support/peer-fastify.ts', import.meta.url), [
    path,
    String(HOSTS),
  ]);
  try {
    const endpointId = await deployModel(service, path, { logSampleRate: LOG_SAMPLE_RATE });
    const bySize: Record<string, Figures & { ratio: number }> = {};
    for (const rows of ROWS_PER_REQUEST)
      bySize[`rows${rows}`] = await compare(service, endpointId, peer.ready.port, rows);
    const figures = Object.values(bySize);
    const eventLoopDelayP99Ms = Math.max(...figures.map((figure) => Number(figure['eventLoopDelayP99Ms'])));
    report('predict', Math.min(...figures.map((figure) => figure.ratio)), 0.5, 'higher', {
      clients: CLIENTS,
      network: WIDTHS.join('-'),
      eventLoopDelayP99Ms,
      eventLoopOk: eventLoopDelayP99Ms < EVENT_LOOP_GOAL_MS,
      ...bySize,
      bareRuntimeRowsPerSecond: bare.ready.rowsPerSecond,
    });
  } finally {
    await Promise.all([service.stop(), peer.stop()]);
  }
});
