// An ensemble of five networks as one compiled version, compared with the same version deployed on FAN_OUT, where the
// service asks its five members: 16 clients, one row per request.
import {
  BenchCreateEndpointDocument,
  BenchCreateEnsembleDocument,
  BenchCreateModelDocument,
  BenchDeployModelVersionDocument,
  BenchDeploymentStatusDocument,
  BenchEnsembleJobDocument,
  BenchPredictDocument,
  BenchRegisterDatasetDocument,
  BenchRegisterModelVersionDocument,
  BenchVersionStatusDocument,
} from './generated/operations.ts';
import { load, postRequest } from './support/http-load.ts';
import { multilayer } from './support/network.ts';
import { median, percentile, report } from './support/report.ts';
import { startService, withDataDir, type Service } from './support/service.ts';

const COLUMNS = Array.from({ length: 20 }, (_, i) => `c${i}`);
const HIDDEN = [48, 56, 64, 72, 80];
const CLIENTS = 16;
const ROUNDS = 9;
const ROUND_MS = 1_000;
const HOSTS = 2;
const ROWS = 200;
const TOLERANCE = 1e-5;

const rowOf = (row: number): number[] => COLUMNS.map((_, i) => Number(Math.sin(row * 3.7 + i).toFixed(5)));

async function upload(service: Service, fileName: string, body: Buffer): Promise<string> {
  const uploaded = await fetch(`${service.url}/uploads?fileName=${fileName}`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', authorization: `Bearer ${service.token}` },
    body: new Uint8Array(body),
  });
  return ((await uploaded.json()) as { uploadId: string }).uploadId;
}

/** The endpoint that serves the version on this runtime. */
async function deploy(
  service: Service,
  modelId: string,
  modelVersionId: string,
  runtime: 'ONNX' | 'FAN_OUT',
): Promise<string> {
  const { createEndpoint } = await service.send(BenchCreateEndpointDocument, {
    input: { modelId, name: `${runtime.toLowerCase().replace('_', '-')}-${modelVersionId}`, logSampleRate: 0.01 },
  });
  const endpointId = createEndpoint.endpoint.id;
  const { deployModelVersion } = await service.send(BenchDeployModelVersionDocument, {
    input: { endpointId, modelVersionId, runtime, mode: 'LIVE', weightBps: 10_000 },
  });
  for (;;) {
    const { deployment } = await service.send(BenchDeploymentStatusDocument, { id: deployModelVersion.deployment.id });
    if (deployment.status === 'READY') return endpointId;
    if (deployment.status !== 'PENDING') throw new Error(`the deployment is ${deployment.status}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The version, when its files are stored. */
async function stored(service: Service, id: string): Promise<string> {
  for (;;) {
    const { modelVersion } = await service.send(BenchVersionStatusDocument, { id });
    if (modelVersion.status === 'READY') return id;
    if (modelVersion.status !== 'PENDING') throw new Error(`the version is ${modelVersion.status}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function make(service: Service, modelId: string, members: string[]): Promise<string> {
  const csv = [[...COLUMNS, 'y'], ...Array.from({ length: ROWS }, (_, row) => [...rowOf(row), Math.cos(row)])];
  const uploadId = await upload(service, 'rows.csv', Buffer.from(csv.map((row) => row.join(',')).join('\n')));
  const { registerDataset } = await service.send(BenchRegisterDatasetDocument, {
    input: { name: 'rows', source: { uploadId } },
  });
  const { createEnsemble } = await service.send(BenchCreateEnsembleDocument, {
    input: {
      ...{ modelId, method: 'SOFT_VOTING', datasetId: registerDataset.dataset.id, target: { column: 'y' } },
      members: members.map((modelVersionId) => ({ modelVersionId })),
    },
  });
  for (;;) {
    const { job } = await service.send(BenchEnsembleJobDocument, { id: createEnsemble.job.id, waitMs: 10_000 });
    if (job.status === 'SUCCEEDED' && job.outcome && 'modelVersionId' in job.outcome)
      return stored(service, job.outcome.modelVersionId);
    if (job.status === 'FAILED') throw new Error(`the ensemble was not made: ${job.errorMessage}`);
  }
}

const inputOf = (endpointId: string, row: number) => ({
  endpointId,
  tensors: [{ name: 'x', datatype: 'FP32' as const, shape: [1, COLUMNS.length], data: rowOf(row) }],
});

await withDataDir(async (dataDir) => {
  const service = await startService(dataDir, { settings: { INFERENCE_HOSTS: String(HOSTS) } });
  try {
    const { createModel } = await service.send(BenchCreateModelDocument, {
      input: { name: 'bench', modelType: 'MLP', task: 'REGRESSION' },
    });
    const modelId = createModel.model.id;
    const members: string[] = [];
    for (const width of HIDDEN) {
      const network = Buffer.from(await multilayer([COLUMNS.length, width, 32, 1]));
      const uploadId = await upload(service, 'model.onnx', network);
      const { registerModelVersion } = await service.send(BenchRegisterModelVersionDocument, {
        input: { modelId, uploadId, inputColumns: [{ input: 'x', columns: COLUMNS }] },
      });
      members.push(registerModelVersion.modelVersion.id);
    }
    const ensemble = await make(service, modelId, members);
    const compiled = await deploy(service, modelId, ensemble, 'ONNX');
    const fanOut = await deploy(service, modelId, ensemble, 'FAN_OUT');

    const answer = async (endpointId: string, row: number): Promise<number> => {
      const { predict } = await service.send(BenchPredictDocument, { input: inputOf(endpointId, row) });
      return Number(predict.outputs[0]?.data[0]);
    };
    let largest = 0;
    for (let row = 0; row < 20; row++) {
      const apart = await answer(fanOut, row);
      largest = Math.max(largest, Math.abs(apart - (await answer(compiled, row))) / Math.max(1, Math.abs(apart)));
    }
    if (!(largest <= TOLERANCE)) throw new Error(`the answers differ by ${largest}`);

    const requestsTo = (endpointId: string) =>
      Array.from({ length: 10 }, (_, i) =>
        postRequest(
          '/graphql',
          JSON.stringify({
            query: BenchPredictDocument.toString(),
            variables: { input: inputOf(endpointId, i) },
          }),
          { authorization: `Bearer ${service.token}` },
        ),
      );
    const check = (body: string) => {
      const { data } = JSON.parse(body) as { data?: { predict: { outputs: { data: number[] }[] } } };
      if (data?.predict.outputs[0]?.data.length !== 1) throw new Error(`a wrong answer: ${body.slice(0, 300)}`);
    };
    const port = Number(new URL(service.url).port);
    const options = { port, durationMs: ROUND_MS, check, connections: CLIENTS };
    const whole = { ...options, requests: requestsTo(compiled) };
    const parts = { ...options, requests: requestsTo(fanOut) };
    const rates = { compiled: [] as number[], fanOut: [] as number[] };
    const latenciesMs = { compiled: [] as number[], fanOut: [] as number[] };
    for (let round = 0; round <= ROUNDS; round++) {
      const together = await load(whole);
      const apart = await load(parts);
      // Round 0 warms up and is not counted.
      if (round === 0) continue;
      rates.compiled.push(together.requestsPerSecond);
      rates.fanOut.push(apart.requestsPerSecond);
      latenciesMs.compiled.push(...together.latenciesMs);
      latenciesMs.fanOut.push(...apart.latenciesMs);
    }
    const ratios = rates.compiled.map((rate, i) => rate / (rates.fanOut[i] ?? NaN));
    report('ensemble', median(ratios), 2, 'higher', {
      ...{ clients: CLIENTS, members: members.length, largestDifference: largest },
      compiledRequestsPerSecond: median(rates.compiled),
      fanOutRequestsPerSecond: median(rates.fanOut),
      compiledLatencyP99Ms: percentile(latenciesMs.compiled, 0.99),
      fanOutLatencyP99Ms: percentile(latenciesMs.fanOut, 0.99),
      ratios,
    });
  } finally {
    await service.stop();
  }
});
