import { linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError, ErrorCode } from '../../src/errors.js';
import { checkModel, type ModelCheckLimits } from '../../src/inference/onnx/model-check.js';
import { InvalidFile, inspectOnnxFile } from '../../src/inference/onnx/onnx-file.js';
import * as build from '../fixtures/models/build.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'check-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

async function refusal(bytes: Uint8Array, limits: Partial<ModelCheckLimits> = {}): Promise<string> {
  const error: unknown = await checkModel(write('upload.onnx', bytes), limits).then(
    () => 'accepted',
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(AppError);
  expect((error as AppError).code).toBe(ErrorCode.INVALID_MODEL);
  return (error as AppError).message;
}

const LIMITS = { maxGraphDepth: 16, maxNodes: 1000 };
const scalarOutput = [build.float('y', ['N', 1])];
const graphOf = (parts: Parameters<typeof build.model>[0]): Uint8Array =>
  build.model({ input: [build.float('x', ['N', 1])], output: scalarOutput, ...parts });

describe('model check', () => {
  it('accepts a good model and reports its inputs and outputs', async () => {
    const bytes = build.linear([1, 2, 3], 4, {
      producerVersion: '2',
      metadataProps: [{ key: 'note', value: 'hello' }],
    });
    expect(await checkModel(write('good.onnx', bytes))).toEqual({
      irVersion: 8,
      opset: 17,
      producer: 'test 2',
      metadata: { note: 'hello' },
      sizeBytes: bytes.length,
      signature: {
        inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3], acceptsMissing: false }],
        outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
        rowIndependence: { proven: true, reason: null },
      },
    });
  });

  it('accepts functions that the file defines itself', async () => {
    const functions = [
      {
        name: 'Twice',
        domain: 'local',
        input: ['a'],
        output: ['b'],
        node: [build.node('Add', ['a', 'a'], ['b'])],
        opsetImport: [{ domain: '', version: 17 }],
      },
    ];
    const opsetImport = [
      { domain: '', version: 17 },
      { domain: 'local', version: 1 },
    ];
    const bytes = build.model(
      {
        input: [build.float('x', ['N', 1])],
        output: scalarOutput,
        node: [build.node('Twice', ['x'], ['y'], [], 'local')],
      },
      { functions, opsetImport },
    );
    expect((await checkModel(write('function.onnx', bytes))).opset).toBe(17);
  });

  it.each<[string, () => Uint8Array, RegExp]>([
    ['an empty file', () => new Uint8Array(), /empty/],
    ['random bytes', () => Uint8Array.from({ length: 500 }, (_, i) => (i * i * 31 + 7) % 256), /not an ONNX file/],
    ['a truncated model', () => build.linear([1, 2], 3).subarray(0, 60), /damaged|cut off/],
    ['a pickle', () => Buffer.from('\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00cposix\nsystem\n', 'latin1'), /pickle/],
    ['a zip archive', () => Buffer.from('PK\x03\x04aaaaaaaaaaaaaaa', 'latin1'), /zip/],
    ['JSON', () => Buffer.from('{"model": 1}'), /not an ONNX file/],
    [
      'external data',
      () =>
        graphOf({
          initializer: [build.externalTensor('w', 'secrets.bin')],
          node: [build.node('Add', ['x', 'w'], ['y'])],
        }),
      /external data/,
    ],
    [
      'external data by absolute path',
      () =>
        graphOf({
          initializer: [build.externalTensor('w', '/etc/passwd')],
          node: [build.node('Add', ['x', 'w'], ['y'])],
        }),
      /external data/,
    ],
    [
      'external data in a nested graph',
      () => build.nested(3, { initializer: [build.externalTensor('w', '../x')] }),
      /external data/,
    ],
    [
      'external data in a sparse tensor',
      () =>
        graphOf({
          sparseInitializer: [
            { values: build.externalTensor('w', 'x'), indices: build.integers('i', [1], [0]), dims: [4] },
          ],
          node: [],
        }),
      /external data/,
    ],
    [
      'external data in a function',
      () =>
        build.model(
          { input: [build.float('x', ['N', 1])], output: scalarOutput, node: [build.node('Identity', ['x'], ['y'])] },
          {
            functions: [
              {
                name: 'F',
                domain: 'local',
                node: [
                  build.node('Constant', [], ['c'], [{ name: 'value', type: 4, t: build.externalTensor('w', 'x') }]),
                ],
              },
            ],
          },
        ),
      /external data/,
    ],
    ['graphs nested too deep', () => build.nested(40), /16 deep/],
    [
      'a custom operator',
      () => graphOf({ node: [build.node('RunShell', ['x'], ['y'], [], 'evil.corp')] }),
      /evil\.corp\.RunShell/,
    ],
    [
      'an operator that loads files',
      () => graphOf({ node: [build.node('EPContext', ['x'], ['y'], [], 'com.microsoft')] }),
      /custom operator/,
    ],
    ['an unknown standard operator', () => graphOf({ node: [build.node('NoSuchOp', ['x'], ['y'])] }), /NoSuchOp/],
    [
      'absurd dimensions',
      () =>
        graphOf({
          initializer: [{ name: 'w', dims: [2 ** 40, 2 ** 40], dataType: 1 }],
          node: [build.node('Add', ['x', 'w'], ['y'])],
        }),
      /no machine/,
    ],
    [
      'negative dimensions',
      () =>
        graphOf({
          initializer: [{ name: 'w', dims: [-5], dataType: 1 }],
          node: [build.node('Add', ['x', 'w'], ['y'])],
        }),
      /no machine/,
    ],
    [
      'weights that are not there',
      () =>
        graphOf({
          initializer: [{ name: 'w', dims: [1_000_000], dataType: 1 }],
          node: [build.node('Add', ['x', 'w'], ['y'])],
        }),
      /1000000 elements/,
    ],
    [
      'an absurd input',
      () =>
        build.model({
          input: [build.float('x', ['N', 2 ** 40])],
          output: scalarOutput,
          node: [build.node('Identity', ['x'], ['y'])],
        }),
      /no machine/,
    ],
    [
      'an operator set from the future',
      () => build.linear([1], 0, { opsetImport: [{ domain: '', version: 99 }] }),
      /operator set 99/,
    ],
    ['an IR version from the future', () => build.linear([1], 0, { irVersion: 99 }), /IR version 99/],
    [
      'a weight of 200,000 packed dimensions',
      // ModelProto { irVersion 8, graph { initializer { dims: packed list of ones } } }
      () => {
        const varint = (value: number): number[] =>
          value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
        const message = (field: number, body: Uint8Array): Buffer =>
          Buffer.concat([Buffer.from([field * 8 + 2, ...varint(body.length)]), body]);
        return Buffer.concat([
          Buffer.from([8, 8]),
          message(7, message(5, message(1, new Uint8Array(200_000).fill(1)))),
        ]);
      },
      /more than 64 dimensions/,
    ],
    [
      'more metadata than anybody writes',
      () => build.linear([1], 0, { metadataProps: [{ key: 'k', value: 'v'.repeat(2 ** 21) }] }),
      /metadata/,
    ],
    [
      'two versions of one operator set',
      () => build.linear([1], 0, { opsetImport: [7, 17].map((version) => ({ domain: '', version })) }),
      /two versions/,
    ],
    ['an infinite loop', () => build.infiniteLoop(), /within 1500 ms/],
    ['16 GiB at the first run', () => build.allocates16GiB(), /memory/],
  ])('refuses %s', async (_name, bytes, message) => {
    expect(await refusal(bytes(), { cpuMs: 1500 })).toMatch(message);
  });

  it('refuses a file above the size limit', async () => {
    expect(await refusal(build.linear([1], 0), { maxSizeBytes: 100 })).toMatch(/at most 100/);
  });

  it('never lets external data through a hard link', async () => {
    writeFileSync(join(folder, 'secret'), 'secret bytes');
    linkSync(join(folder, 'secret'), join(folder, 'weights.bin'));
    const bytes = graphOf({
      initializer: [build.externalTensor('w', 'weights.bin')],
      node: [build.node('Add', ['x', 'w'], ['y'])],
    });
    expect(await refusal(bytes)).toMatch(/external data/);
  });

  it('leaves nothing in the temporary folder', async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('matih-check-'));
    await refusal(build.infiniteLoop(), { cpuMs: 600 });
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('matih-check-') && !before.includes(name))).toEqual(
      [],
    );
  });

  it('refuses millions of empty fields in the child, while this process continues', async () => {
    // A field with an unknown number and no content, repeated many times.
    const padding = Buffer.alloc(20_000_000, Buffer.from([0xfa, 0x01, 0x00, 0xf8, 0x01, 0x01]));
    const path = write(
      'padded.onnx',
      Buffer.concat([build.linear([1], 0), padding.subarray(0, padding.length - (padding.length % 6))]),
    );
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const startedAt = performance.now();
    const outcome = await checkModel(path).then(
      () => 'accepted',
      (error: AppError) => error.code,
    );
    delay.disable();
    console.log(
      `20 MB of empty fields: ${outcome} after ${((performance.now() - startedAt) / 1000).toFixed(1)} s; ` +
        `this process stopped ${(delay.max / 1e6).toFixed(0)} ms at most`,
    );
    expect(outcome).toBe(ErrorCode.INVALID_MODEL);
    expect(delay.max / 1e6).toBeLessThan(500);
  });

  it('damaged files are refused with a clear error, or served', { timeout: 240_000 }, async () => {
    const good = ['tfidf', 'svc', 'kmeans', 'xgboost-regressor'].map((name) =>
      readFileSync(new URL(`../fixtures/models/${name}.onnx`, import.meta.url)),
    );
    const damage = fc.record({
      file: fc.nat(good.length - 1),
      kind: fc.constantFrom('flip', 'cut', 'insert', 'repeat'),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
    });
    const counts = { accepted: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(damage, async ({ file, kind, at, bytes }) => {
        const original = good[file]!;
        const place = Math.floor(at * (original.length - 1));
        const [before, after] = [original.subarray(0, place), original.subarray(place)];
        const damaged = {
          flip: () => Buffer.concat([before, bytes, after.subarray(bytes.length)]),
          cut: () => before,
          insert: () => Buffer.concat([before, bytes, after]),
          repeat: () => Buffer.concat([before, after, after]),
        }[kind]();
        const outcome = await checkModel(write('damaged.onnx', damaged)).then(
          () => 'accepted' as const,
          (error: unknown) => error,
        );
        counts[outcome === 'accepted' ? 'accepted' : 'refused'] += 1;
        if (outcome === 'accepted') return;
        expect(outcome).toBeInstanceOf(AppError);
        expect((outcome as AppError).code).toBe(ErrorCode.INVALID_MODEL);
        expect((outcome as AppError).message).not.toMatch(/\/(tmp|work|home|usr)\//);
      }),
      { numRuns: Number(process.env.MATIH_DAMAGED_FILES ?? 24) },
    );
    console.log(`damaged files: ${counts.accepted} accepted, ${counts.refused} refused`);
  });

  it('answers any bytes with facts or INVALID_MODEL', () => {
    const good = build.nested(3);
    const mutated = fc
      .array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
      .map((changes) => changes.reduce((bytes, [at, value]) => bytes.with(at, value), Uint8Array.from(good)));
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), (bytes) => {
        try {
          expect(inspectOnnxFile(bytes, LIMITS).opset).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidFile);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('does not read beyond a limit of nodes', () => {
    const nodes = Array.from({ length: 1001 }, (_, i) => build.node('Identity', [i ? `n${i}` : 'x'], [`n${i + 1}`]));
    expect(() => inspectOnnxFile(graphOf({ node: nodes }), LIMITS)).toThrow(/1000 nodes/);
  });
});
