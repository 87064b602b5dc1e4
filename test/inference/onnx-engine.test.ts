import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Tensor } from '../../src/modules/model-contract/rules/tensor.js';
import { ErrorCode } from '../../src/errors.js';
import { OnnxEngine } from '../../src/inference/onnx/onnx-engine.js';
import {
  allocates16GiB,
  allocatesAbove1000,
  batchMean,
  hangsAbove1000,
  linear,
  multilayer,
} from '../fixtures/models/build.js';

const MEBIBYTE = 1024 ** 2;
const DEADLINE = { deadlineMs: 10_000 };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'engine-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let engine: OnnxEngine;
afterEach(() => engine.close());

async function serve(modelId: string, bytes: Uint8Array): Promise<void> {
  const path = join(folder, `${modelId}.onnx`);
  writeFileSync(path, bytes);
  await engine.load({ modelId, path });
}

const x = (values: number[], columns = 1): Tensor[] => [
  { name: 'x', datatype: 'FP32', shape: [values.length / columns, columns], data: Float32Array.from(values) },
];

const y = async (modelId: string, inputs: Tensor[], deadlineMs = 10_000): Promise<number[]> =>
  Array.from((await engine.infer(modelId, inputs, { deadlineMs })).outputs[0]!.data as Float32Array);

const code = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'answered',
    (error: { code?: ErrorCode }) => error.code ?? error,
  );

/** A process whose parent has ended may stay as a zombie when nothing reaps it. */
function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

describe('onnx engine', () => {
  it('answers 200 requests at the same time in a few runs, and each gets its own rows', async () => {
    engine = new OnnxEngine();
    await serve('linear', linear([1, 10, 100], 0.5));
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        engine.infer('linear', x([i, 1, 2, i, 3, 4].slice(0, i % 2 ? 6 : 3), 3), DEADLINE),
      ),
    );
    answers.forEach(({ outputs }, i) => {
      const wanted = i % 2 ? [i + 210.5, i + 430.5] : [i + 210.5];
      expect(outputs).toEqual([
        { name: 'y', datatype: 'FP32', shape: [wanted.length, 1], data: Float32Array.from(wanted) },
      ]);
    });
    expect(engine.stats().batches).toBeLessThan(10);
    expect(engine.stats().rows).toBe(300);
    expect(answers[0]!.batchRows).toBeGreaterThan(1);
  });

  it('never mixes rows, whatever the sizes and the order', async () => {
    engine = new OnnxEngine({ maxBatchRows: 16 });
    await serve('linear', linear([2, -1], 0));
    const request = fc.array(fc.tuple(fc.integer({ min: -1000, max: 1000 }), fc.integer({ min: -1000, max: 1000 })), {
      minLength: 1,
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 12 }), async (requests) => {
        const answers = await Promise.all(requests.map((rows) => y('linear', x(rows.flat(), 2))));
        expect(answers).toEqual(requests.map((rows) => rows.map(([a, b]) => 2 * a - b)));
      }),
      { numRuns: 60 },
    );
  });

  it('does not join requests of a model that mixes rows', async () => {
    engine = new OnnxEngine();
    await serve('mean', batchMean());
    const answers = await Promise.all([
      y('mean', x([1, 2], 2)),
      y('mean', x([5, 9], 2)),
      y('mean', x([0, 0, 4, 2], 2)),
    ]);
    expect(answers).toEqual([
      [0, 0],
      [0, 0],
      [-2, -1, 2, 1],
    ]);
  });

  it('ends a run after its deadline; the requests beside it and the other models are answered', async () => {
    engine = new OnnxEngine({ quarantineBaseMs: 300 });
    await serve('loop', hangsAbove1000());
    await serve('linear', linear([2], 0));
    const beside = [1, 2, 3, 4].map((v) => y('loop', x([v]), 3000));
    const guilty = code(engine.infer('loop', x([5000]), { deadlineMs: 3000 }));
    let neighbours = 0;
    let slowestMs = 0;
    let done = false;
    void guilty.then(() => (done = true));
    while (!done) {
      const startedAt = performance.now();
      expect(await y('linear', x([21]), 2000)).toEqual([42]);
      slowestMs = Math.max(slowestMs, performance.now() - startedAt);
      neighbours += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(await Promise.all(beside)).toEqual([[1], [2], [3], [4]]);
    expect(await guilty).toBe(ErrorCode.DEADLINE_EXCEEDED);
    expect(await code(engine.infer('loop', x([1]), DEADLINE))).toBe(ErrorCode.UNAVAILABLE);
    await new Promise((resolve) => setTimeout(resolve, 350));
    expect(await y('loop', x([7]))).toEqual([7]);
    expect(await y('loop', x([8]))).toEqual([8]);
    console.log(
      `hang: ${neighbours} answers of the neighbour meanwhile, slowest ${slowestMs.toFixed(0)} ms; restarts ` +
        `${engine.stats().hostRestarts}`,
    );
  });

  it('a run that allocates 16 GiB fails alone', async () => {
    engine = new OnnxEngine({ maxResidentBytes: 512 * MEBIBYTE });
    await serve('hog', allocatesAbove1000(2 ** 32));
    await serve('linear', linear([2], 0));
    const beside = [1, 2, 3].map((v) => y('hog', x([v])));
    const guilty = code(engine.infer('hog', x([5000]), DEADLINE));
    const neighbours = Array.from({ length: 20 }, (_, i) => y('linear', x([i])));
    expect(await guilty).toBe(ErrorCode.RESOURCE_EXHAUSTED);
    expect(await Promise.all(beside)).toEqual([[1], [2], [3]]);
    expect(await Promise.all(neighbours)).toEqual(Array.from({ length: 20 }, (_, i) => [2 * i]));
    expect(await y('hog', x([4]))).toEqual([4]);
  });

  it('a run that holds more resident memory than allowed is ended by the watchdog', async () => {
    engine = new OnnxEngine({ maxResidentBytes: 320 * MEBIBYTE });
    await serve('hog', allocatesAbove1000((400 * MEBIBYTE) / 4));
    await serve('linear', linear([2], 0));
    expect(await code(engine.infer('hog', x([5000]), DEADLINE))).toBe(ErrorCode.RESOURCE_EXHAUSTED);
    expect(await y('linear', x([3]))).toEqual([6]);
  });

  it('refuses to load what allocates 16 GiB at its first run, and files that are not models', async () => {
    engine = new OnnxEngine({ maxResidentBytes: 512 * MEBIBYTE });
    expect(await code(serve('big', allocates16GiB()))).toBe(ErrorCode.RESOURCE_EXHAUSTED);
    expect(
      await code(
        serve(
          'noise',
          Uint8Array.from({ length: 50 }, (_, i) => i * 37),
        ),
      ),
    ).toBe(ErrorCode.INVALID_MODEL);
    await serve('linear', linear([2], 0));
    expect(await y('linear', x([3]))).toEqual([6]);
  });

  it('limits what waits', async () => {
    engine = new OnnxEngine({ maxQueueRows: 100 });
    await serve('linear', linear([2], 0));
    const codes = await Promise.all(Array.from({ length: 150 }, () => code(engine.infer('linear', x([1]), DEADLINE))));
    expect(codes.filter((each) => each === 'answered')).toHaveLength(100);
    expect(codes.filter((each) => each === ErrorCode.RESOURCE_EXHAUSTED)).toHaveLength(50);
    expect(engine.stats().queuedRows).toBe(0);
  });

  it('divides a long request and joins its answer', async () => {
    engine = new OnnxEngine({ maxBatchRows: 100 });
    await serve('linear', linear([2], 0));
    const values = Array.from({ length: 1234 }, (_, i) => i);
    expect(await y('linear', x(values))).toEqual(values.map((v) => 2 * v));
    expect(engine.stats().batches).toBe(13);
  });

  it('starts hosts again after kill -9, and no request is lost', async () => {
    engine = new OnnxEngine();
    await serve('linear', linear([2], 0));
    for (let round = 0; round < 3; round += 1) {
      const answers = Array.from({ length: 50 }, (_, i) => y('linear', x([i])));
      for (const pid of engine.hostPids()) process.kill(pid, 'SIGKILL');
      expect(await Promise.all(answers)).toEqual(Array.from({ length: 50 }, (_, i) => [2 * i]));
    }
    expect(engine.stats().hostRestarts).toBeGreaterThanOrEqual(3);
  });

  it('leaves no process and no folder behind', async () => {
    engine = new OnnxEngine();
    await serve('loop', hangsAbove1000());
    const pids = engine.hostPids();
    expect(pids.length).toBeGreaterThan(0);
    const hanging = code(engine.infer('loop', x([5000]), DEADLINE));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await engine.close();
    expect(await hanging).toBe(ErrorCode.UNAVAILABLE);
    for (const pid of pids) expect(existsSync(`/proc/${pid}`)).toBe(false);
    expect(await code(engine.infer('loop', x([1]), DEADLINE))).toBe(ErrorCode.NOT_FOUND);
  });

  it('forgets a model that is unloaded', async () => {
    engine = new OnnxEngine();
    await serve('linear', linear([2], 0));
    await engine.unload('linear');
    expect(await code(engine.infer('linear', x([1]), DEADLINE))).toBe(ErrorCode.NOT_FOUND);
    await serve('linear', linear([3], 0));
    expect(await y('linear', x([1]))).toEqual([3]);
  });

  it('a client with a short deadline cannot make a healthy model unavailable', async () => {
    engine = new OnnxEngine();
    await serve('linear', linear([2], 0));
    const codes = await Promise.all(
      Array.from({ length: 200 }, (_, i) => code(engine.infer('linear', x([i]), { deadlineMs: i % 2 ? 0.01 : 5000 }))),
    );
    expect(codes.filter((each, i) => i % 2 === 0 && each !== 'answered')).toEqual([]);
    expect(engine.stats().hostRestarts).toBe(0);
    expect(await y('linear', x([3]))).toEqual([6]);
  });

  it('refuses inputs larger than one run may take', async () => {
    engine = new OnnxEngine({ maxFrameBytes: 2 * MEBIBYTE, maxBatchBytes: 64 });
    await serve('mean', batchMean());
    expect(await code(engine.infer('mean', x(new Array<number>(400_000).fill(0), 2), DEADLINE))).toBe(
      ErrorCode.RESOURCE_EXHAUSTED,
    );
    expect(await y('mean', x([1, 2], 2))).toEqual([0, 0]);
  });

  it('reports when no host can be started', async () => {
    engine = new OnnxEngine({ startTimeoutMs: 1 });
    expect(await code(serve('linear', linear([2], 0)))).toBe(ErrorCode.UNAVAILABLE);
  });

  it('stays responsive under 64 callers', async () => {
    engine = new OnnxEngine();
    await serve('network', multilayer([32, 64, 32, 1]));
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const until = performance.now() + 1500;
    let answers = 0;
    delay.enable();
    await Promise.all(
      Array.from({ length: 64 }, async () => {
        for (; performance.now() < until; answers += 1)
          await engine.infer('network', x(new Array<number>(32).fill(0.5), 32), DEADLINE);
      }),
    );
    delay.disable();
    console.log(
      `64 callers: ${Math.round(answers / 1.5)} requests/s, event-loop delay p99 ` +
        `${(delay.percentile(99) / 1e6).toFixed(1)} ms`,
    );
    // A fraction of what an idle machine reaches, so that a busy one passes.
    expect(answers).toBeGreaterThan(5000);
  });

  it('hosts end with the service, even in a run that never ends', async () => {
    engine = new OnnxEngine();
    const path = join(folder, 'loop.onnx');
    writeFileSync(path, hangsAbove1000());
    const program = `
      import { OnnxEngine } from ${JSON.stringify(new URL('../../dist/inference/onnx/onnx-engine.js', import.meta.url).href)};
      const engine = new OnnxEngine();
      await engine.load({ modelId: 'loop', path: ${JSON.stringify(path)} });
      void engine.infer('loop', [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: Float32Array.of(5000) }], { deadlineMs: 60000 });
      const both = setInterval(() => {
        if (engine.hostPids().length < 2) return;
        clearInterval(both);
        console.log(JSON.stringify(engine.hostPids()));
      }, 300);`;
    const service = spawn(process.execPath, ['--input-type=module', '-e', program], {
      env: { TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(service.stdout, 'data')) as [Buffer];
    const pids = JSON.parse(line.toString()) as number[];
    expect(pids).toHaveLength(2);
    service.kill('SIGKILL');
    await expect.poll(() => pids.filter(isRunning), { timeout: 5000 }).toEqual([]);
  });

  it('200 loads and unloads leave the memory of the host and of the service flat', async () => {
    engine = new OnnxEngine({ hosts: 1 });
    const bytes = multilayer([16, 500, 500, 1]);
    const residentMiB = (pid: number | string) =>
      Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
    const measured: [host: number, service: number][] = [];
    for (let i = 1; i <= 200; i++) {
      await serve('model', bytes);
      await engine.unload('model');
      if (i % 50 === 0) measured.push([residentMiB(engine.hostPids()[0]!), residentMiB('self')]);
    }
    console.info(`MiB of the host and of the service after 50, 100, 150, 200 loads: ${JSON.stringify(measured)}`);
    const [hostGrowth, serviceGrowth] = [0, 1].map((i) => measured[3]![i]! - measured[1]![i]!);
    // A hundred models that stayed would take more than 100 MiB.
    expect(hostGrowth).toBeLessThan(32);
    expect(serviceGrowth).toBeLessThan(64);
  });

  it('makes room by unloading the least recently used, and refuses a model that could never have room', async () => {
    const bytes = multilayer([16, 3_000, 3_000, 1]);
    // Three of them have room, and a fourth has not.
    engine = new OnnxEngine({ hosts: 1, maxLoadedBytes: 3.5 * bytes.length });
    for (const modelId of ['a', 'b', 'c', 'd']) await serve(modelId, bytes);
    const inputs = x(new Array<number>(16).fill(1), 16);
    const first = await y('a', inputs);
    for (const modelId of ['b', 'c', 'd', 'a']) expect(await y(modelId, inputs)).toEqual(first);
    const [pid] = engine.hostPids();
    const path = join(folder, 'large.onnx');
    writeFileSync(path, multilayer([16, 6_000, 6_000, 1]));
    const refused = await engine.load({ modelId: 'large', path }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    expect((refused as Error).message).toContain(`may take ${3.5 * bytes.length} together`);
    // The others are where they were.
    expect(engine.hostPids()).toEqual([pid]);
    expect(await y('a', inputs)).toEqual(first);
  });

  it('keeps serving more models than a host may load', async () => {
    engine = new OnnxEngine({ maxLoadedModels: 2 });
    for (let i = 0; i < 5; i += 1) await serve(`m${i}`, linear([i], 0));
    for (let round = 0; round < 2; round += 1) {
      expect(await Promise.all([0, 1, 2, 3, 4].map((i) => y(`m${i}`, x([10]))))).toEqual([[0], [10], [20], [30], [40]]);
    }
  });
});
