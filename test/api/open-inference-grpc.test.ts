import {
  type Client,
  credentials,
  makeGenericClientConstructor,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { serviceDefinitions } from '../../src/protocols/open-inference/protobuf.js';
import { linear } from '../fixtures/models/build.js';
import { IssueAccessTokenDocument, RevokeAccessTokenDocument } from '../../schema/generated/operations.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, makeVersion, serve, xToY } from '../support/serving.js';

let service: TestService;
let tess: Caller;
let inference: Client;
let repository: Client;
const definitions = serviceDefinitions();
const MAX_BYTES = 200_000;

beforeAll(async () => {
  service = await startTestService({ MAX_INFERENCE_BYTES: String(MAX_BYTES) });
  tess = await service.as();
  const address = service.app.http!.grpcAddress;
  const options = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
  inference = new (makeGenericClientConstructor(definitions.inference, 'inference'))(
    address,
    credentials.createInsecure(),
    options,
  );
  repository = new (makeGenericClientConstructor(definitions.repository, 'repository'))(
    address,
    credentials.createInsecure(),
    options,
  );
});
afterAll(async () => {
  inference?.close();
  repository?.close();
  await service?.close();
});

type Answer = Record<string, unknown> & { raw_output_contents?: Buffer[]; outputs?: { contents?: object }[] };

const asCaller = ({ token }: { token: string }) => {
  const metadata = new Metadata();
  if (token) metadata.set('authorization', `Bearer ${token}`);
  return metadata;
};

function call(method: string, request: object, caller: { token: string } = tess, client = inference): Promise<Answer> {
  const definition = (client === repository ? definitions.repository : definitions.inference)[method]!;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest<object, Answer>(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize as (bytes: Buffer) => Answer,
      request,
      asCaller(caller),
      (error, answer) => (error ? reject(error) : resolve(answer!)),
    );
  });
}

/** The code and sentence of a call that must fail. */
async function fails(method: string, request: object, caller?: { token: string }, client?: Client) {
  const error = await call(method, request, caller, client).then(
    () => null,
    (failure: ServiceError) => failure,
  );
  return { code: error?.code, details: error?.details };
}

const floats = (...values: number[]) => Buffer.from(Float32Array.from(values).buffer);
const numbers = (bytes: Buffer) => [...new Float32Array(Uint8Array.from(bytes).buffer)];
const input = (rows: number, more: object = {}) => ({ name: 'x', datatype: 'FP32', shape: [rows, 1], ...more });
const raw = (...values: number[]) => ({
  model_name: 'doubled',
  inputs: [input(values.length)],
  raw_input_contents: [floats(...values)],
});
const plain = (answer: Answer) => JSON.parse(JSON.stringify(answer)) as Record<string, unknown>;

describe('inference over gRPC', () => {
  it('answers raw contents with raw ones, and typed with typed', async () => {
    await serve(service, tess, { bytes: linear([2], 1), signature: xToY(1) }, { name: 'doubled' });
    const answer = await call('ModelInfer', { ...raw(3, 4), id: 'mine' });
    expect(answer).toMatchObject({ model_name: 'doubled', id: 'mine', model_version: expect.any(String) as string });
    expect(numbers(answer.raw_output_contents![0]!)).toEqual([7, 9]);
    const typed = await call('ModelInfer', {
      model_name: 'doubled',
      inputs: [input(2, { contents: { fp32_contents: [3, 4] } })],
      outputs: [{ name: 'y' }],
      parameters: {
        priority: { uint64_param: 1 },
        timeout: { int64_param: 2_000_000 },
        sequence_id: { int64_param: 5 },
      },
    });
    expect(typed.raw_output_contents).toEqual([]);
    expect(typed.outputs![0]!.contents).toMatchObject({ fp32_contents: [7, 9] });
  });

  it('describes server and model', async () => {
    const nobody = { token: '' };
    expect(await call('ServerLive', {}, nobody)).toMatchObject({ live: true });
    expect(await call('ServerReady', {}, nobody)).toMatchObject({ ready: true });
    expect(await call('ServerMetadata', {}, nobody)).toMatchObject({ name: 'matih-ml-service' });
    expect(await call('ModelReady', { name: 'doubled' })).toMatchObject({ ready: true });
    expect(plain(await call('ModelMetadata', { name: 'doubled' }))).toMatchObject({
      name: 'doubled',
      platform: 'onnxruntime_onnx',
      inputs: [{ name: 'x', datatype: 'FP32', shape: ['-1', '1'] }],
    });
    const { config } = plain(await call('ModelConfig', { name: 'doubled' }));
    expect(config).toMatchObject({ max_batch_size: 10_000, input: [{ data_type: 'TYPE_FP32', dims: ['1'] }] });
  });

  it('answers a stream in the order of its requests, and a wrong one with its error', async () => {
    const definition = definitions.inference['ModelStreamInfer']!;
    const stream = inference.makeBidiStreamRequest<object, Answer>(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize as (bytes: Buffer) => Answer,
      asCaller(tess),
    );
    const answers: { error_message: string; infer_response: Answer }[] = [];
    stream.on('data', (message: (typeof answers)[number]) => answers.push(message));
    for (let i = 0; i < 200; i++) stream.write({ ...raw(i), id: `r${i}`, ...(i === 100 && { inputs: [input(2)] }) });
    stream.end();
    await new Promise((resolve, reject) => stream.on('end', resolve).on('error', reject));
    expect(answers.map(({ infer_response: { id } }) => id)).toEqual(Array.from({ length: 200 }, (_, i) => `r${i}`));
    expect(answers.filter(({ error_message: message }) => message !== '')).toHaveLength(1);
    expect(answers[100]!.error_message).toContain('expected 8 bytes');
    expect(numbers(answers[199]!.infer_response.raw_output_contents![0]!)).toEqual([399]);
  });

  it('ends a stream whose token is revoked', async () => {
    const admin = await service.as({ role: Role.ADMIN });
    const { issueAccessToken: issued } = await admin.ok(IssueAccessTokenDocument, {
      input: { name: 'stream', role: 'ENGINEER' },
    });
    const definition = definitions.inference['ModelStreamInfer']!;
    const stream = inference.makeBidiStreamRequest<object, Answer>(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize as (bytes: Buffer) => Answer,
      asCaller(issued),
    );
    const ended = new Promise<ServiceError>((resolve) => stream.on('error', resolve));
    stream.write(raw(1));
    await new Promise((resolve) => stream.once('data', resolve));
    // A client reads all answers before it sees the end.
    stream.on('data', () => undefined);
    await admin.ok(RevokeAccessTokenDocument, { id: issued.accessToken.id });
    // The process hears of it in the background.
    const asking = setInterval(() => stream.write(raw(1)), 100);
    expect((await ended).code).toBe(status.UNAUTHENTICATED);
    clearInterval(asking);
  });

  it('refuses with a code and one sentence', async () => {
    const cases: [object, status, string][] = [
      [{ ...raw(1), model_name: 'absent' }, status.NOT_FOUND, 'No endpoint named "absent".'],
      [{ ...raw(1), model_version: '999' }, status.NOT_FOUND, 'Version 999 is not deployed'],
      [{ ...raw(1), model_version: 'x' }, status.NOT_FOUND, 'There is no version "x"'],
      [{ ...raw(1), inputs: [input(2)] }, status.INVALID_ARGUMENT, 'expected 8 bytes'],
      [{ ...raw(1), inputs: [input(-1)] }, status.INVALID_ARGUMENT, 'inputs[0].shape[0]'],
      [{ ...raw(1), inputs: [input(1, { datatype: 'FP16' })] }, status.INVALID_ARGUMENT, 'inputs[0].datatype'],
      [{ ...raw(1), raw_input_contents: [floats(1), floats(1)] }, status.INVALID_ARGUMENT, 'raw_input_contents'],
      [
        { ...raw(1), inputs: [input(1, { contents: { fp32_contents: [1] } })] },
        status.INVALID_ARGUMENT,
        'inputs[0].contents: expected none beside raw_input_contents',
      ],
      [
        { model_name: 'doubled', inputs: [input(1, { contents: { fp64_contents: [1] } })] },
        status.INVALID_ARGUMENT,
        'expected fp32_contents for FP32',
      ],
      [
        { model_name: 'doubled', inputs: [input(1, { contents: { fp32_contents: [NaN] } })] },
        status.INVALID_ARGUMENT,
        'a finite number',
      ],
      [{ model_name: 'doubled', inputs: [input(1)] }, status.INVALID_ARGUMENT, 'expected 1 elements'],
      [{ model_name: 'doubled' }, status.INVALID_ARGUMENT, 'input'],
      [{ ...raw(1), outputs: [{ name: 'nope' }] }, status.INVALID_ARGUMENT, 'outputs[0].name'],
      [{ ...raw(1), parameters: { timeout: { int64_param: -1 } } }, status.INVALID_ARGUMENT, 'parameters.timeout'],
      [{ ...raw(1), raw_input_contents: [Buffer.alloc(MAX_BYTES + 1)] }, status.RESOURCE_EXHAUSTED, 'larger than max'],
    ];
    for (const [request, code, sentence] of cases) {
      const error = await fails('ModelInfer', request);
      expect(error.code, sentence).toBe(code);
      expect(error.details, sentence).toContain(sentence);
    }
  });

  it('asks for a token and a role, and shows nothing of other tenants', async () => {
    expect((await fails('ModelInfer', raw(1), { token: '' })).code).toBe(status.UNAUTHENTICATED);
    expect((await fails('ModelInfer', raw(1), { token: 'none' })).code).toBe(status.UNAUTHENTICATED);
    expect((await fails('ModelInfer', raw(1), await service.as({ role: Role.VIEWER }))).code).toBe(
      status.PERMISSION_DENIED,
    );
    expect(await fails('ModelInfer', raw(1), await service.as({ tenant: 'other' }))).toEqual({
      code: status.NOT_FOUND,
      details: 'No endpoint named "doubled".',
    });
  });

  it('survives bytes that are no message', async () => {
    const { path } = definitions.inference['ModelInfer']!;
    const error = await new Promise<ServiceError | null>((resolve) => {
      inference.makeUnaryRequest<Buffer, object>(
        path,
        (bytes) => bytes,
        (bytes) => bytes,
        Buffer.from('2aff', 'hex'),
        asCaller(tess),
        (failure) => resolve(failure),
      );
    });
    expect(error?.code).toBe(status.INTERNAL);
    expect(numbers((await call('ModelInfer', raw(1))).raw_output_contents![0]!)).toEqual([3]);
  });
});

describe('the model repository over gRPC', () => {
  it('loads and unloads under both names, and counts', async () => {
    const { modelId } = await makeVersion(service, { bytes: linear([1], 5), signature: xToY(1) });
    await createEndpoint(tess, { modelId, name: 'loaded' });
    const mine = async () =>
      (plain(await call('RepositoryIndex', {}, tess, repository))['models'] as Record<string, unknown>[]).filter(
        ({ name }) => name === 'loaded',
      );
    expect(await mine()).toEqual([{ name: 'loaded' }]);
    await call('RepositoryModelLoad', { model_name: 'loaded' }, tess, repository);
    expect(await mine()).toMatchObject([{ name: 'loaded', state: 'READY' }]);
    // At once, and a second load changes nothing.
    await call('RepositoryModelLoad', { model_name: 'loaded' });
    const answer = await call('ModelInfer', { ...raw(1), model_name: 'loaded' });
    expect(numbers(answer.raw_output_contents![0]!)).toEqual([6]);
    await service.app.context.services.traffic.flush();
    expect(plain(await call('ModelStatistics', { name: 'loaded' }))['model_stats']).toMatchObject([
      { name: 'loaded', inference_count: '1', execution_count: '1', inference_stats: { success: { count: '1' } } },
    ]);
    await call('RepositoryModelUnload', { model_name: 'loaded' }, tess, repository);
    expect(await mine()).toEqual([{ name: 'loaded' }]);
    expect((await fails('RepositoryModelLoad', { model_name: 'absent' })).code).toBe(status.NOT_FOUND);
    const viewer = await service.as({ role: Role.VIEWER });
    expect((await fails('RepositoryModelLoad', { model_name: 'loaded' }, viewer)).code).toBe(status.PERMISSION_DENIED);
  });
});
