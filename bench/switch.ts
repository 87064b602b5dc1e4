// Changes of the version of an endpoint under load, on ONNX and on Triton; with --all also on Ray Serve, and of LoRA
// adapters on one vLLM. ratio = the requests that were lost: not answered, or answered by neither version. Also
// measured: the memory of this service after many loads and unloads.
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, RayProcesses } from '../test/engines/ray/processes.ts';
import { Triton } from '../test/engines/triton-server.ts';
import {
  BenchCreateEndpointDocument,
  BenchCreateModelDocument,
  BenchDeployModelVersionDocument,
  BenchDeploymentErrorDocument,
  BenchPredictDocument,
  BenchRegisterModelVersionDocument,
  BenchUndeployDocument,
} from './generated/operations.ts';
import { fromDist } from './support/dist.ts';
import { onInterruption } from './support/interruption.ts';
import { percentile, report, type Figures } from './support/report.ts';
import { startService, withDataDir, type Service } from './support/service.ts';
import { adapterSwitches } from './switch/adapters.ts';

const CLIENTS = 8;
const SWITCHES = {
  ONNX: Number(process.env.BENCH_SWITCHES ?? 50),
  TRITON: Number(process.env.BENCH_SWITCHES ?? 20),
  RAY_SERVE: Number(process.env.BENCH_SWITCHES ?? 10),
};
const LOADS = 200;
const LOADS_BEFORE_MEASURING = 50;
/** Pages that the allocators keep; a leak of one small model per load would be more. */
const FLAT_MIB = 48;
const SETTLE_MS = 300;

type Runtime = keyof typeof SWITCHES;

/** y = factor * x: the answer says which version gave it. */
async function times(factor: number): Promise<Uint8Array> {
  const { GraphBuilder } = await fromDist<typeof import('../src/inference/onnx/format/graph-builder.js')>(
    'inference/onnx/format/graph-builder.js',
  );
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float', ['N', 1]);
  graph.output('y', graph.node('MatMul', [x, graph.constant(Float32Array.of(factor), [1, 1])]), 'float', ['N', 1]);
  return graph.model(`times ${factor}`);
}

async function register(service: Service, modelId: string, factor: number): Promise<string> {
  const uploaded = await fetch(`${service.url}/uploads?fileName=model.onnx`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', authorization: `Bearer ${service.token}` },
    body: Buffer.from(await times(factor)),
  });
  const { uploadId } = (await uploaded.json()) as { uploadId: string };
  const { registerModelVersion } = await service.send(BenchRegisterModelVersionDocument, {
    input: { modelId, uploadId },
  });
  return registerModelVersion.modelVersion.id;
}

async function deploy(service: Service, endpointId: string, modelVersionId: string, runtime: Runtime): Promise<string> {
  const { deployModelVersion } = await service.send(BenchDeployModelVersionDocument, {
    input: { endpointId, modelVersionId, mode: 'LIVE', weightBps: 10_000, runtime, waitMs: 60_000 },
  });
  const { id } = deployModelVersion.deployment;
  const { deployment } = await service.send(BenchDeploymentErrorDocument, { id });
  if (deployment.status !== 'READY') throw new Error(`the deployment is ${deployment.status}: ${deployment.error}`);
  return id;
}

/** Two versions take turns on one endpoint, while clients ask. */
async function switches(service: Service, runtime: Runtime): Promise<Figures & { lost: number }> {
  const { createModel } = await service.send(BenchCreateModelDocument, {
    input: { name: `switch-${runtime}`, modelType: 'LINEAR', task: 'OTHER' },
  });
  const modelId = createModel.model.id;
  const factors = [2, 3];
  const versions = await Promise.all(factors.map((factor) => register(service, modelId, factor)));
  const { createEndpoint } = await service.send(BenchCreateEndpointDocument, {
    input: { modelId, name: `switch-${runtime}`.toLowerCase(), logSampleRate: 0.01 },
  });
  const endpointId = createEndpoint.endpoint.id;
  let current = await deploy(service, endpointId, versions[0] ?? '', runtime);
  const reasons = new Map<string, number>();
  const latenciesMs: number[] = [];
  let isOver = false;
  const client = async (number: number) => {
    for (let i = 0; !isOver; i++) {
      const value = number * 1_000 + (i % 1_000);
      const startedMs = performance.now();
      const problem = await service
        .send(BenchPredictDocument, {
          input: { endpointId, tensors: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [value] }] },
        })
        .then(
          ({ predict }) =>
            factors.some((factor) => predict.outputs[0]?.data[0] === factor * value) ? null : 'a wrong answer',
          (error: Error) => error.message,
        );
      latenciesMs.push(performance.now() - startedMs);
      if (problem !== null) reasons.set(problem, (reasons.get(problem) ?? 0) + 1);
    }
  };
  const clients = Array.from({ length: CLIENTS }, (_, number) => client(number + 1));
  const startedMs = performance.now();
  for (let i = 1; i <= SWITCHES[runtime]; i++) {
    const next = await deploy(service, endpointId, versions[i % 2] ?? '', runtime);
    await service.send(BenchUndeployDocument, { input: { deploymentId: current } });
    current = next;
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  }
  const seconds = (performance.now() - startedMs) / 1000;
  isOver = true;
  await Promise.all(clients);
  const lost = [...reasons.values()].reduce((sum, count) => sum + count, 0);
  for (const [reason, count] of reasons) process.stderr.write(`${runtime}: lost ${count}: ${reason}\n`);
  return {
    switches: SWITCHES[runtime],
    requests: latenciesMs.length,
    lost,
    secondsPerSwitch: seconds / SWITCHES[runtime],
    latencyP50Ms: percentile(latenciesMs, 0.5),
    latencyP99Ms: percentile(latenciesMs, 0.99),
    longestMs: Math.max(...latenciesMs),
  };
}

function residentMiB(pids: readonly number[]): number {
  const kib = (pid: number) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  return pids.reduce((sum, pid) => sum + kib(pid), 0) / 1024;
}

/** Models that are loaded, asked and unloaded, one after the other, each with another id. */
async function loads(folder: string): Promise<{ grownMiB: number; residentMiB: number }> {
  const { OnnxEngine } = await fromDist<typeof import('../src/inference/onnx/onnx-engine.js')>(
    'inference/onnx/onnx-engine.js',
  );
  const engine = new OnnxEngine({ hosts: 1 });
  const path = join(folder, 'loads.onnx');
  await writeFile(path, await times(2));
  let before = 0;
  try {
    for (let i = 1; i <= LOADS; i++) {
      const modelId = `load-${i}`;
      await engine.load({ modelId, path });
      const data = Float32Array.of(1);
      await engine.infer(modelId, [{ name: 'x', datatype: 'FP32', shape: [1, 1], data }], { deadlineMs: 10_000 });
      await engine.unload(modelId);
      if (i === LOADS_BEFORE_MEASURING) before = residentMiB(engine.hostPids());
    }
    const after = residentMiB(engine.hostPids());
    return { grownMiB: after - before, residentMiB: after };
  } finally {
    await engine.close();
  }
}

const sumOf = (found: readonly { lost: number }[]) => found.reduce((sum, { lost }) => sum + lost, 0);

/** Ray Serve and vLLM, which take minutes to start. */
async function others(
  dataDir: string,
): Promise<{ rayServe: Figures & { lost: number }; vllm: Figures & { lost: number } }> {
  const { startRayPython } = (await import(new URL('../scripts/python-ray.mjs', import.meta.url).href)) as {
    startRayPython(): { env: { MATIH_RAY_PYTHON?: string } };
  };
  const { MATIH_RAY_PYTHON: python = process.env.MATIH_RAY_PYTHON ?? '' } = startRayPython().env;
  const ray = new RayProcesses(await RayProcesses.place(python));
  onInterruption(() => ray.close());
  let rayServe: Figures & { lost: number };
  try {
    await ray.begin();
    const settings = { ...ray.settings(await freePort()), RAY_SERVE_URL: ray.serveUrl, RAY_SERVE_CORES: '0.1' };
    const service = await startService(join(dataDir, 'on-ray'), { settings });
    try {
      rayServe = await switches(service, 'RAY_SERVE');
    } finally {
      await service.stop();
    }
  } finally {
    await ray.close();
  }
  return { rayServe, vllm: await adapterSwitches(dataDir) };
}

await withDataDir(async (dataDir) => {
  const { startTritonPython } = (await import(new URL('../scripts/python-triton.mjs', import.meta.url).href)) as {
    startTritonPython(): { env: { MATIH_TRITON_PYTHON?: string } };
  };
  const { MATIH_TRITON_PYTHON: python = process.env.MATIH_TRITON_PYTHON ?? '' } = startTritonPython().env;
  const triton = await Triton.start(python);
  onInterruption(() => triton.close());
  const settings = { TRITON_URL: triton.url, TRITON_REPOSITORY: triton.repository };
  const service = await startService(join(dataDir, 'service'), { settings });
  try {
    const onnx = await switches(service, 'ONNX');
    const onTriton = await switches(service, 'TRITON');
    const memory = await loads(dataDir);
    if (memory.grownMiB > FLAT_MIB) throw new Error(`${LOADS} loads grew the host by ${memory.grownMiB} MiB`);
    const more = process.argv.includes('--all') ? await others(dataDir) : {};
    const found = { onnx, triton: onTriton, ...more };
    const lost = sumOf(Object.values(found));
    report('switch', lost, 0, 'lower', { ...found, loads: { loads: LOADS, ...memory } });
    if (lost > 0) process.exitCode = 1;
  } finally {
    await service.stop();
    await triton.close();
  }
});
