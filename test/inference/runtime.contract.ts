import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../src/errors.js';
import { OnnxEngine } from '../../src/inference/onnx/onnx-engine.js';
import type { InferenceEngine, RegisteredModel } from '../../src/inference/port.js';
import type { Signature, Tensor } from '../../src/modules/model-contract/rules/tensor.js';
import { batchMean, hangsAbove1000, linear, linearClassifier } from '../fixtures/models/build.js';

const DEADLINE = { deadlineMs: 30_000 };
const CALLERS = 16;

const x = (values: number[], columns = 1, name = 'x'): Tensor[] => [
  { name, datatype: 'FP32', shape: [values.length / columns, columns], data: Float32Array.from(values) },
];

/** What every runtime for tensors does alike. `start` gives one that nothing else uses. */
export function runtimeContract(name: string, start: () => Promise<InferenceEngine>): void {
  describe(`${name}: the contract of a runtime`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'runtime-contract-'));
    let engine: InferenceEngine;
    let onnx: OnnxEngine;
    // For a server that fetches its files.
    const files = createServer((request, response) => {
      createReadStream(join(folder, request.url!.slice(1))).pipe(response);
    });
    beforeAll(async () => {
      await once(files.listen(0, '127.0.0.1'), 'listening');
      engine = await start();
      onnx = new OnnxEngine();
    });
    afterAll(async () => {
      await engine?.close();
      await onnx?.close();
      files.close();
      rmSync(folder, { recursive: true, force: true });
    });

    /** The model with the signature that its registration would find. */
    const address = () => Promise.resolve({ name: 'contract', version: '1' });
    const urlOf = (file: string) => async () => `http://127.0.0.1:${(files.address() as AddressInfo).port}/${file}`;

    async function registered(bytes: Uint8Array): Promise<RegisteredModel> {
      const modelId = randomUUID();
      const path = join(folder, `${modelId}.onnx`);
      writeFileSync(path, bytes);
      const signature: Signature = await onnx.load({ modelId, path });
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return { modelId, path, signature, sha256, address, downloadUrl: urlOf(`${modelId}.onnx`) };
    }

    async function serve(bytes: Uint8Array): Promise<string> {
      const model = await registered(bytes);
      expect((await engine.load(model)).inputs).toEqual(model.signature.inputs);
      return model.modelId;
    }

    const code = (promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        () => 'answered',
        (error: unknown) => (error instanceof AppError ? error.code : error),
      );

    it('gives the rows of each request to that request, alone and with others', async () => {
      const modelId = await serve(linear([1, 10], 0.5));
      await engine.load(await registered(linear([3], 0)));
      const rows = (caller: number) => Array.from({ length: 1 + (caller % 3) }, (_, row) => [caller, row]);
      const answers = await Promise.all(
        Array.from({ length: CALLERS }, (_, caller) =>
          engine.infer(modelId, x(rows(caller).flat(), 2), { ...DEADLINE, alone: caller % 4 === 0 }),
        ),
      );
      answers.forEach(({ outputs }, caller) =>
        expect(outputs).toEqual([
          {
            name: 'y',
            datatype: 'FP32',
            shape: [rows(caller).length, 1],
            data: Float32Array.from(rows(caller), ([a, b]) => a! + 10 * b! + 0.5),
          },
        ]),
      );
    });

    it('answers numbers, whole numbers and texts as ONNX Runtime here does', async () => {
      for (const bytes of [
        linearClassifier(
          ['no', 'yes', 'größer'],
          [
            [1, 0],
            [0, 1],
            [1, 1],
          ],
          [0, 0.5, -1],
        ),
        linearClassifier(
          [3, 7],
          [
            [1, -2],
            [-1, 2],
          ],
          [0, 0],
        ),
      ]) {
        const model = await registered(bytes);
        await engine.load(model);
        const inputs = x([1, 2, -3, 0.5, 0, 0], 2, 'X');
        const [here, there] = await Promise.all(
          [onnx, engine].map((runtime) => runtime.infer(model.modelId, inputs, DEADLINE)),
        );
        expect(there!.outputs.map(({ name: output, shape }) => [output, shape])).toEqual(
          here!.outputs.map(({ name: output, shape }) => [output, shape]),
        );
        expect(there!.outputs[0]!.data).toEqual(here!.outputs[0]!.data);
        const [ours, theirs] = [here, there].map((answer) => [...(answer!.outputs[1]!.data as Float32Array)]);
        theirs!.forEach((value, i) => expect(value).toBeCloseTo(ours![i]!, 5));
      }
    });

    it('never joins requests of a model that mixes rows', async () => {
      const modelId = await serve(batchMean());
      const mean = async (...values: number[]) => [
        ...((await engine.infer(modelId, x(values, 2), DEADLINE)).outputs[0]!.data as Float32Array),
      ];
      expect(await Promise.all([mean(1, 2), mean(5, 9), mean(0, 0, 4, 2)])).toEqual([
        [0, 0],
        [0, 0],
        [-2, -1, 2, 1],
      ]);
    });

    it('a request that hangs ends at its deadline, and the other models answer', async () => {
      const loop = await serve(hangsAbove1000());
      const other = await serve(linear([2], 0));
      const hanging = code(engine.infer(loop, x([5000]), { deadlineMs: 1_500 }));
      for (let i = 0; i < 5; i++)
        expect((await engine.infer(other, x([i]), DEADLINE)).outputs[0]!.data).toEqual(Float32Array.of(2 * i));
      expect(await hanging).toBe('DEADLINE_EXCEEDED');
      await engine.unload(loop);
    });

    it('does not answer for a model that is unloaded, and loads it again', async () => {
      const model = await registered(linear([2], 1));
      await engine.load(model);
      await engine.unload(model.modelId);
      expect(await code(engine.infer(model.modelId, x([1]), DEADLINE))).toBe('NOT_FOUND');
      await engine.load(model);
      await engine.load(model);
      expect((await engine.infer(model.modelId, x([1]), DEADLINE)).outputs[0]!.data).toEqual(Float32Array.of(3));
    });

    it('refuses a file that is no model with one sentence, and goes on', async () => {
      const model = await registered(linear([2], 0));
      const broken = join(folder, 'broken.onnx');
      const bytes = Buffer.from('this is no model');
      writeFileSync(broken, bytes);
      const refused = { ...model, modelId: randomUUID(), path: broken, downloadUrl: urlOf('broken.onnx') };
      refused.sha256 = createHash('sha256').update(bytes).digest('hex');
      const error = await engine.load(refused).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(AppError);
      expect((error as AppError).code).toBe('INVALID_MODEL');
      expect((error as AppError).message).not.toMatch(/\/tmp|\/root|Traceback|\n/);
      await engine.load(model);
      expect((await engine.infer(model.modelId, x([4]), DEADLINE)).outputs[0]!.data).toEqual(Float32Array.of(8));
    });
  });
}
