// Changes of the LoRA adapter of an endpoint under load, on one running vLLM.
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Vllm } from '../../test/engines/vllm/server.ts';
import {
  BenchChatDocument,
  BenchCreateEndpointDocument,
  BenchCreateModelDocument,
  BenchDeployModelVersionDocument,
  BenchDeploymentErrorDocument,
  BenchRegisterModelVersionDocument,
  BenchUndeployDocument,
} from '../generated/operations.ts';
import { onInterruption } from '../support/interruption.ts';
import { percentile, type Figures } from '../support/report.ts';
import { startService, type Service } from '../support/service.ts';

const CLIENTS = 4;
const SWITCHES = Number(process.env.BENCH_SWITCHES ?? 10);
const ADAPTERS = 10;
const TOKENS = 8;

export async function adapterSwitches(dataDir: string): Promise<Figures & { lost: number }> {
  const { startVllmPython } = (await import(new URL('../../scripts/python-vllm.mjs', import.meta.url).href)) as {
    startVllmPython(folder: string): { env: { MATIH_VLLM_PYTHON: string; MATIH_VLLM_MODELS: string } };
  };
  const { MATIH_VLLM_PYTHON: python, MATIH_VLLM_MODELS: models } = startVllmPython(dataDir).env;
  const vllm = await Vllm.start(python, models);
  onInterruption(() => vllm.close());
  const adapters = join(dataDir, 'adapters');
  const settings = { VLLM_URL: vllm.url, VLLM_ADAPTER_DIR: adapters };
  const service = await startService(join(dataDir, 'on-vllm'), { settings });
  try {
    await mkdir(adapters, { recursive: true });
    await cp(models, join(adapters, tenantOf(service.token)), { recursive: true });
    return await switches(service);
  } finally {
    await service.stop();
    await vllm.close();
  }
}

async function switches(service: Service): Promise<Figures & { lost: number }> {
  const { createModel } = await service.send(BenchCreateModelDocument, {
    input: { name: 'switch-vllm', modelType: 'LLM', task: 'TEXT_GENERATION' },
  });
  const modelId = createModel.model.id;
  const { createEndpoint } = await service.send(BenchCreateEndpointDocument, {
    input: { modelId, name: 'switch-vllm' },
  });
  const endpointId = createEndpoint.endpoint.id;
  const deploy = async (number: number): Promise<string> => {
    const { registerModelVersion } = await service.send(BenchRegisterModelVersionDocument, {
      input: { modelId, languageModel: { name: 'tiny', adapter: `adapter${number}` } },
    });
    const { deployModelVersion } = await service.send(BenchDeployModelVersionDocument, {
      input: {
        ...{ endpointId, modelVersionId: registerModelVersion.modelVersion.id, mode: 'LIVE' },
        ...{ weightBps: 10_000, waitMs: 60_000 },
      },
    });
    const { id } = deployModelVersion.deployment;
    const { deployment } = await service.send(BenchDeploymentErrorDocument, { id });
    if (deployment.status !== 'READY') throw new Error(`the deployment is ${deployment.status}: ${deployment.error}`);
    return id;
  };
  let current = await deploy(1);
  const reasons = new Map<string, number>();
  const latenciesMs: number[] = [];
  const answeredBy = new Set<string>();
  let isOver = false;
  const clients = Array.from({ length: CLIENTS }, async () => {
    while (!isOver) {
      const startedMs = performance.now();
      const input = { endpointId, messages: [{ role: 'user', content: 'Hello' }], maxTokens: TOKENS, temperature: 0 };
      const problem = await service.send(BenchChatDocument, { input }).then(
        ({ chat }) => {
          answeredBy.add(chat.modelVersion.id);
          return chat.finishReason === 'LENGTH' || chat.finishReason === 'STOP' ? null : 'no whole answer';
        },
        (error: Error) => error.message,
      );
      latenciesMs.push(performance.now() - startedMs);
      if (problem !== null) reasons.set(problem, (reasons.get(problem) ?? 0) + 1);
    }
  });
  for (let i = 1; i <= SWITCHES; i++) {
    const next = await deploy(1 + (i % ADAPTERS));
    await service.send(BenchUndeployDocument, { input: { deploymentId: current } });
    current = next;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  isOver = true;
  await Promise.all(clients);
  for (const [reason, count] of reasons) process.stderr.write(`VLLM: lost ${count}: ${reason}\n`);
  return {
    switches: SWITCHES,
    versionsThatAnswered: answeredBy.size,
    requests: latenciesMs.length,
    lost: [...reasons.values()].reduce((sum, count) => sum + count, 0),
    latencyP50Ms: percentile(latenciesMs, 0.5),
    latencyP99Ms: percentile(latenciesMs, 0.99),
    longestMs: Math.max(...latenciesMs),
  };
}

function tenantOf(token: string): string {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { tenant: string };
  return claims.tenant;
}
