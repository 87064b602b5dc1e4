import { readFile } from 'node:fs/promises';
import {
  BenchCreateEndpointDocument,
  BenchCreateModelDocument,
  BenchDeployModelVersionDocument,
  BenchDeploymentStatusDocument,
  BenchRegisterModelVersionDocument,
} from '../generated/operations.ts';
import type { Service } from './service.ts';

/** Creates the endpoint `bench` that serves the model of a file; returns its id. */
export async function deployModel(
  service: Service,
  path: string,
  { logSampleRate }: { logSampleRate: number },
): Promise<string> {
  const uploaded = await fetch(`${service.url}/uploads?fileName=model.onnx`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', authorization: `Bearer ${service.token}` },
    body: await readFile(path),
  });
  const { uploadId } = (await uploaded.json()) as { uploadId: string };
  const { createModel } = await service.send(BenchCreateModelDocument, {
    input: { name: 'bench', modelType: 'MLP', task: 'OTHER' },
  });
  const modelId = createModel.model.id;
  const { registerModelVersion } = await service.send(BenchRegisterModelVersionDocument, {
    input: { modelId, uploadId },
  });
  const { createEndpoint } = await service.send(BenchCreateEndpointDocument, {
    input: { modelId, name: 'bench', logSampleRate },
  });
  const endpointId = createEndpoint.endpoint.id;
  const { deployModelVersion } = await service.send(BenchDeployModelVersionDocument, {
    input: { endpointId, modelVersionId: registerModelVersion.modelVersion.id, mode: 'LIVE', weightBps: 10_000 },
  });
  for (;;) {
    const { deployment } = await service.send(BenchDeploymentStatusDocument, {
      id: deployModelVersion.deployment.id,
    });
    if (deployment.status === 'READY') return endpointId;
    if (deployment.status !== 'PENDING') throw new Error(`the deployment is ${deployment.status}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
