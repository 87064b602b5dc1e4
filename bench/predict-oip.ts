// Predictions over the Open Inference Protocol: JSON, bytes and gRPC at 1, 16, 64 and 256 clients, one model, one row a
// request. Beside this service: the smallest Node server with the runtime in its own process and the same batching,
// MLServer (JSON, gRPC) and Ray Serve's default proxy (JSON). ratio = the least ratio, each divided by its goal.
import { writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { deployModel } from './support/endpoint.ts';
import { fromDist } from './support/dist.ts';
import { grpcLoad } from './support/grpc-load.ts';
import { load, type LoadResult } from './support/http-load.ts';
import { startMlserver, startRayServe, type InferencePeer } from './support/inference-peers.ts';
import { multilayer } from './support/network.ts';
import { median, percentile, report, type Figures } from './support/report.ts';
import { startPeer, startService, withDataDir } from './support/service.ts';

const WIDTHS = [100, 128, 64, 5];
const INPUTS = WIDTHS[0]!;
const OUTPUTS = WIDTHS.at(-1)!;
const CLIENTS = (process.env['BENCH_CLIENTS'] ?? '1,16,64,256').split(',').map(Number);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const ROUND_MS = Number(process.env['BENCH_ROUND_MS'] ?? 1_500);
/** Peers to leave out, e.g. `rayServe`, separated by commas. */
const WITHOUT = (process.env['BENCH_WITHOUT'] ?? '').split(',');
const HOSTS = 2;
/** A busy endpoint logs only a sample for its monitoring. */
const LOG_SAMPLE_RATE = 0.01;
const GOALS = { bare: 0.6, mlserver: 3, rayServe: 3 };
const METHOD = '/inference.GRPCInferenceService/ModelInfer';
const JSON_LENGTH = 'inference-header-content-length';

type Transport = 'json' | 'binary' | 'grpc';
type PeerName = keyof typeof GOALS;

const SPOKEN: Record<PeerName, Transport[]> = {
  bare: ['json', 'binary', 'grpc'],
  mlserver: ['json', 'grpc'],
  rayServe: ['json'],
};

interface Target {
  port: number;
  grpcPort: number;
  headers: Record<string, string>;
}

const { serviceDefinitions } = await fromDist<typeof import('../src/protocols/open-inference/protobuf.js')>(
  'protocols/open-inference/protobuf.js',
);
const modelInfer = serviceDefinitions().inference['ModelInfer']!;

const INPUT = { name: 'x', datatype: 'FP32', shape: [1, INPUTS] };
const rows = Array.from({ length: 50 }, (_, seed) =>
  Array.from({ length: INPUTS }, (_value, i) => Number(Math.sin(i + seed).toFixed(5))),
);
const bytesOf = (row: number[]) => Buffer.from(Float32Array.from(row).buffer);

function request(body: Buffer, headers: Record<string, string>): Buffer {
  const lines = [
    'POST /v2/models/bench/infer HTTP/1.1',
    'host: 127.0.0.1',
    `content-length: ${body.length}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]);
}

function jsonRequest(row: number[], headers: Record<string, string>): Buffer {
  const body = Buffer.from(JSON.stringify({ inputs: [{ ...INPUT, data: row }] }));
  return request(body, { 'content-type': 'application/json', ...headers });
}

function binaryRequest(row: number[], headers: Record<string, string>): Buffer {
  const raw = bytesOf(row);
  const input = { ...INPUT, parameters: { binary_data_size: raw.length } };
  const head = Buffer.from(JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }));
  const own = { 'content-type': 'application/octet-stream', [JSON_LENGTH]: String(head.length) };
  return request(Buffer.concat([head, raw]), { ...own, ...headers });
}

const messages = rows.map((row) =>
  modelInfer.requestSerialize({ model_name: 'bench', inputs: [INPUT], raw_input_contents: [bytesOf(row)] }),
);

function checkJson(body: string): void {
  const { outputs } = JSON.parse(body) as { outputs: { data: number[] }[] };
  if (outputs[0]?.data.length !== OUTPUTS) throw new Error(`a wrong answer: ${body.slice(0, 300)}`);
}

function checkBinary(body: string): void {
  if (!body.includes(`"binary_data_size":${OUTPUTS * 4}`)) throw new Error(`a wrong answer: ${body.slice(0, 300)}`);
}

function checkGrpc(message: Buffer): void {
  const { raw_output_contents: raw } = modelInfer.responseDeserialize(message) as { raw_output_contents: Buffer[] };
  if (raw[0]?.length !== OUTPUTS * 4) throw new Error(`a wrong answer of ${message.length} bytes`);
}

function drive(transport: Transport, { port, grpcPort, headers }: Target, connections: number): Promise<LoadResult> {
  const options = { connections, durationMs: ROUND_MS };
  if (transport === 'grpc')
    return grpcLoad({ port: grpcPort, method: METHOD, messages, headers, check: checkGrpc, ...options });
  const isJson = transport === 'json';
  const requests = rows.map((row) => (isJson ? jsonRequest(row, headers) : binaryRequest(row, headers)));
  return load({ port, requests, check: isJson ? checkJson : checkBinary, ...options });
}

interface Measured {
  rates: number[];
  latenciesMs: number[];
}

async function cell(transport: Transport, clients: number, targets: Map<string, Target>): Promise<Figures> {
  const measured = new Map<string, Measured>([...targets.keys()].map((name) => [name, { rates: [], latenciesMs: [] }]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, target] of targets) {
      const { requestsPerSecond, latenciesMs } = await drive(transport, target, clients);
      // Round 0 warms up and is not counted.
      if (round === 0) continue;
      measured.get(name)!.rates.push(requestsPerSecond);
      measured.get(name)!.latenciesMs.push(...latenciesMs);
    }
  }
  const ours = measured.get('service')!;
  const figures: Figures = {};
  for (const [name, { rates, latenciesMs }] of measured) {
    figures[name] = {
      requestsPerSecond: median(rates),
      latencyP50Ms: percentile(latenciesMs, 0.5),
      latencyP99Ms: percentile(latenciesMs, 0.99),
      ...(name !== 'service' && { ratio: median(ours.rates.map((rate, i) => rate / rates[i]!)) }),
    };
  }
  return figures;
}

await withDataDir(async (dataDir) => {
  const path = join(dataDir, 'bench.onnx');
  await writeFile(path, await multilayer(WIDTHS));
  const service = await startService(join(dataDir, 'service'), { settings: { INFERENCE_HOSTS: String(HOSTS) } });
  const stops: (() => Promise<void>)[] = [() => service.stop()];
  try {
    await deployModel(service, path, { logSampleRate: LOG_SAMPLE_RATE });
    const peers: Record<PeerName, () => Promise<Pick<InferencePeer, 'port' | 'grpcPort' | 'stop'>>> = {
      bare: async () => {
        const peer = await startPeer<{ port: number; grpcPort: number }>(
          new URL('support/peer-inference.ts', import.meta.url),
          [path],
        );
        return { ...peer.ready, stop: peer.stop };
      },
      mlserver: () => startMlserver(dataDir, path),
      rayServe: () => startRayServe(dataDir, path),
    };
    const started = new Map<PeerName, Target>();
    for (const name of Object.keys(peers) as PeerName[]) {
      if (WITHOUT.includes(name)) continue;
      const peer = await peers[name]();
      stops.push(peer.stop);
      started.set(name, { port: peer.port, grpcPort: peer.grpcPort, headers: {} });
    }
    const ours: Target = {
      port: Number(new URL(service.url).port),
      grpcPort: Number(service.grpcAddress.split(':').at(-1)),
      headers: { authorization: `Bearer ${service.token}` },
    };
    const cells: Figures = {};
    const shares: number[] = [];
    for (const transport of ['json', 'binary', 'grpc'] as const) {
      const targets = new Map<string, Target>([['service', ours]]);
      for (const [name, target] of started) if (SPOKEN[name].includes(transport)) targets.set(name, target);
      for (const clients of CLIENTS) {
        const figures = await cell(transport, clients, targets);
        cells[`${transport}${clients}`] = figures;
        for (const name of started.keys()) {
          const { ratio } = (figures[name] ?? {}) as { ratio?: number };
          if (ratio !== undefined) shares.push(ratio / GOALS[name]);
        }
        process.stderr.write(`${transport} ${clients}: ${JSON.stringify(figures)}\n`);
      }
    }
    report('predict-oip', Math.min(...shares), 1, 'higher', {
      network: WIDTHS.join('-'),
      loadAverage: loadavg()[0] ?? NaN,
      bareGoal: GOALS.bare,
      mlserverGoal: GOALS.mlserver,
      rayServeGoal: GOALS.rayServe,
      ...cells,
    });
  } finally {
    for (const stop of stops.toReversed()) await stop();
  }
});
