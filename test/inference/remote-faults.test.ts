import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AppError } from '../../src/errors.js';
import type { RegisteredModel } from '../../src/inference/port.js';
import { RemoteRuntime } from '../../src/inference/remote/remote-runtime.js';
import { TritonServer } from '../../src/inference/triton/triton-server.js';
import type { Tensor } from '../../src/modules/model-contract/rules/tensor.js';
import { xToY } from '../support/serving.js';

/** A server that answers what each test says, correct or not: a real Triton does not do these things when asked. */
const hostile = createServer((request, response) => answer(request, response));
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let url: string;

beforeAll(async () => {
  hostile.listen(0, '127.0.0.1');
  await once(hostile, 'listening');
  url = `http://127.0.0.1:${(hostile.address() as AddressInfo).port}`;
});
afterAll(() => {
  hostile.closeAllConnections();
  hostile.close();
});

const address = () => Promise.resolve({ name: 'model', version: '1' });
const downloadUrl = () => Promise.resolve('');
const two: Tensor[] = [{ name: 'x', datatype: 'FP32', shape: [2, 1], data: Float32Array.of(1, 2) }];

/** The answer of a correct server to `rows` rows of zeros. */
const correct = (rows: number) => JSON.stringify({ outputs: [output('y', [rows, 1], new Array(rows).fill(0))] });
const output = (name: string, shape: number[], data: unknown[], datatype = 'FP32') => ({ name, datatype, shape, data });
const json =
  (body: string, status = 200) =>
  (_: IncomingMessage, response: ServerResponse) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(body);
  };

/** A runtime with two models that are loaded, `a` and `b`. */
async function runtime(): Promise<RemoteRuntime> {
  const found = new RemoteRuntime('TRITON', new TritonServer({ url, repository: null, instances: 1, threads: 1 }));
  answer = json(correct(1));
  for (const modelId of ['a', 'b'])
    await found.load({
      modelId,
      path: '',
      sha256: '',
      signature: xToY(1),
      address,
      downloadUrl,
    } satisfies RegisteredModel);
  return found;
}

const refusal = (found: RemoteRuntime, modelId = 'a', deadlineMs = 5_000): Promise<AppError> =>
  found.infer(modelId, two, { deadlineMs }).then(
    () => expect.fail('it answered'),
    (error: AppError) => error,
  );

describe('a server of a runtime that', () => {
  const wrong: Record<string, [string, RegExp]> = {
    'leaves out an output': [JSON.stringify({ outputs: [] }), /"y".*no such output/],
    'answers another shape': [
      JSON.stringify({ outputs: [output('y', [2, 3], [1, 2, 3, 4, 5, 6])] }),
      /\[2, 3\] for 2 rows/,
    ],
    'answers fewer rows': [correct(1), /\[1, 1\] for 2 rows/],
    'answers another type': [JSON.stringify({ outputs: [output('y', [2, 1], [1, 2], 'INT64')] }), /INT64/],
    'counts its elements wrongly': [
      JSON.stringify({ outputs: [output('y', [2, 1], [1])] }),
      /1 elements for a shape of 2/,
    ],
    'answers NaN': [JSON.stringify({ outputs: [output('y', [2, 1], [1, null])] }), /NaN/],
    'answers no JSON': ['<html>', /no JSON/],
    'answers no outputs': ['{"outputs": 7}', /no outputs/],
  };
  it.each(Object.keys(wrong))('%s gives one clear UNAVAILABLE', async (what) => {
    const found = await runtime();
    const [body, sentence] = wrong[what]!;
    answer = json(body);
    const error = await refusal(found);
    expect([error.code, error.message]).toEqual(['UNAVAILABLE', expect.stringMatching(sentence)]);
    await found.close();
  });

  it('breaks off in the middle of its answer, is full, fails or lost the model says so', async () => {
    const found = await runtime();
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': '500' });
      response.write('{"outputs": [');
      setTimeout(() => response.destroy(), 20);
    };
    expect(await refusal(found)).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('middle') });
    answer = json('{"error": "queue"}', 429);
    expect(await refusal(found)).toMatchObject({ code: 'RESOURCE_EXHAUSTED', details: { retryAfterMs: 1_000 } });
    answer = json('{"error": "Traceback:\\n at /opt/secret/model.py\\nValueError: /opt/secret/a.bin is odd"}', 500);
    expect((await refusal(found)).message).toBe('Triton failed at this model: ValueError: … is odd.');
    answer = json('{"error": "Request for unknown model"}', 404);
    expect((await refusal(found)).code).toBe('NOT_FOUND');
    await found.close();
  });

  it('fails at one model has it set aside, tries it again later, and answers for the others all the time', async () => {
    const found = await runtime();
    const good = json(correct(2));
    answer = (request, response) =>
      request.url?.includes('matih-a') ? json('{"error": "broken"}', 500)(request, response) : good(request, response);
    for (let i = 0; i < 5; i++) expect((await refusal(found)).message).toContain('broken');
    const aside = await refusal(found);
    expect(aside).toMatchObject({ code: 'UNAVAILABLE', details: { retryAfterMs: expect.any(Number) as number } });
    expect(aside.message).toContain('set aside');
    expect((await found.infer('b', two, { deadlineMs: 5_000 })).outputs[0]!.shape).toEqual([2, 1]);
    answer = good;
    await expect
      .poll(
        () =>
          found.infer('a', two, { deadlineMs: 5_000 }).then(
            () => 'answered',
            () => 'refused',
          ),
        {
          timeout: 10_000,
        },
      )
      .toBe('answered');
    await found.close();
  });

  it('is slow has only its model set aside, and not by callers with a short deadline', async () => {
    const found = await runtime();
    const good = json(correct(2));
    answer = (request, response) =>
      void setTimeout(() => good(request, response), request.url?.includes('matih-a') ? 1_500 : 0);
    for (let i = 0; i < 8; i++) expect((await refusal(found, 'a', 20)).code).toBe('DEADLINE_EXCEEDED');
    expect((await found.infer('a', two, { deadlineMs: 5_000 })).outputs).toHaveLength(1);
    const late = await Promise.all(Array.from({ length: 5 }, () => refusal(found, 'a', 1_100)));
    expect(new Set(late.map(({ code }) => code))).toEqual(new Set(['DEADLINE_EXCEEDED']));
    expect((await found.infer('b', two, { deadlineMs: 5_000 })).outputs).toHaveLength(1);
    await found.close();
  });
});
