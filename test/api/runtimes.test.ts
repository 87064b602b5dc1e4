import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  DeployModelVersionDetailsDocument,
  DeploymentsByRuntimeDocument,
  RuntimesDocument,
} from '../generated/operations.js';
import { linear } from '../fixtures/models/build.js';
import { createEndpoint, deploy, makeVersion, serve, xToY } from '../support/serving.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';

let service: TestService;
let engineer: Caller;

const version = () => ({ bytes: linear([2], 1), signature: xToY(1) });

beforeAll(async () => {
  service = await startTestService();
  engineer = await service.as();
});

afterAll(() => service?.close());

it('lists every runtime, with what it can do and what is configured', async () => {
  const { runtimes } = await engineer.ok(RuntimesDocument, {});
  const line = ({ name, isConfigured, setting, formats, answers, isRemote, defaultSla }: (typeof runtimes)[number]) => [
    name,
    isConfigured,
    setting,
    formats.join(),
    answers,
    isRemote,
    defaultSla.latencyP95Ms,
    defaultSla.errorRate,
  ];
  expect(runtimes.map(line)).toEqual([
    ['ONNX', true, null, 'ONNX', 'TENSORS', false, 50, 0.01],
    ['TRITON', false, 'TRITON_URL', 'ONNX', 'TENSORS', true, 20, 0.01],
    ['RAY_SERVE', false, 'RAY_SERVE_URL', 'ONNX', 'TENSORS', true, 50, 0.01],
    ['VLLM', false, 'VLLM_URL', 'LANGUAGE_MODEL', 'TEXT_STREAM', true, 100, 0.01],
    ['V2', false, 'V2_URL', 'ONNX', 'TENSORS', true, 50, 0.01],
    ['FAN_OUT', true, null, 'ONNX', 'TENSORS', false, 100, 0.01],
  ]);
});

it('deploys to ONNX unless told otherwise, and filters by the runtime', async () => {
  const { endpointId, deploymentId } = await serve(service, engineer, version());
  const of = async (runtime: 'ONNX' | 'TRITON') =>
    (await engineer.ok(DeploymentsByRuntimeDocument, { filter: { endpointId, runtime } })).deployments.nodes;
  expect(await of('ONNX')).toEqual([{ id: deploymentId, runtime: 'ONNX' }]);
  expect(await of('TRITON')).toEqual([]);
});

it('refuses a runtime that is not configured, naming its setting, and one that does not serve the format', async () => {
  const { modelId, versionId: modelVersionId } = await makeVersion(service, version());
  const { id: endpointId } = await createEndpoint(engineer, { modelId });
  const refused = (runtime: 'TRITON' | 'VLLM') =>
    engineer.fails(DeployModelVersionDetailsDocument, { input: { endpointId, modelVersionId, mode: 'LIVE', runtime } });
  const away = await refused('TRITON');
  expect(away.extensions).toMatchObject({
    code: 'UNAVAILABLE',
    field: 'input.runtime',
    expected: 'the setting TRITON_URL',
  });
  expect(away.message).toContain('TRITON_URL');
  const other = await refused('VLLM');
  expect(other.extensions).toMatchObject({ code: 'CONFLICT', field: 'input.runtime', got: 'ONNX' });
  // Nothing was left behind: the version can be deployed at once.
  await deploy(engineer, { endpointId, modelVersionId });
});
