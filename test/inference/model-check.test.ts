import { linkSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError, ErrorCode } from '../../src/errors.js';
import { checkModel, type ModelCheckLimits } from '../../src/inference/model-check.js';
import { InvalidFile, inspectOnnxFile } from '../../src/inference/onnx-file.js';
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
  it('accepts a good model and says what it takes and gives', async () => {
    const bytes = build.linear([1, 2, 3], 4, { producerVersion: '2', metadataProps: [{ key: 'note', value: 'hello' }] });
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
      { input: [build.float('x', ['N', 1])], output: scalarOutput, node: [build.node('Twice', ['x'], ['y'], [], 'local')] },
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
      () => graphOf({ initializer: [build.externalTensor('w', 'secrets.bin')], node: [build.node('Add', ['x', 'w'], ['y'])] }),
      /external data/,
    ],
    [
      'external data by absolute path',
      () => graphOf({ initializer: [build.externalTensor('w', '/etc/passwd')], node: [build.node('Add', ['x', 'w'], ['y'])] }),
      /external data/,
    ],
    ['external data in a nested graph', () => build.nested(3, { initializer: [build.externalTensor('w', '../x')] }), /external data/],
    [
      'external data in a sparse tensor',
      () =>
        graphOf({
          sparseInitializer: [{ values: build.externalTensor('w', 'x'), indices: build.integers('i', [1], [0]), dims: [4] }],
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
                node: [build.node('Constant', [], ['c'], [{ name: 'value', type: 4, t: build.externalTensor('w', 'x') }])],
              },
            ],
          },
        ),
      /external data/,
    ],
    ['graphs nested too deep', () => build.nested(40), /16 deep/],
    ['a custom operator', () => graphOf({ node: [build.node('RunShell', ['x'], ['y'], [], 'evil.corp')] }), /evil\.corp\.RunShell/],
    [
      'an operator that loads files',
      () => graphOf({ node: [build.node('EPContext', ['x'], ['y'], [], 'com.microsoft')] }),
      /custom operator/,
    ],
    ['an unknown standard operator', () => graphOf({ node: [build.node('NoSuchOp', ['x'], ['y'])] }), /NoSuchOp/],
    [
      'absurd dimensions',
      () => graphOf({ initializer: [{ name: 'w', dims: [2 ** 40, 2 ** 40], dataType: 1 }], node: [build.node('Add', ['x', 'w'], ['y'])] }),
      /no machine/,
    ],
    [
      'negative dimensions',
      () => graphOf({ initializer: [{ name: 'w', dims: [-5], dataType: 1 }], node: [build.node('Add', ['x', 'w'], ['y'])] }),
      /no machine/,
    ],
    [
      'weights that are not there',
      () => graphOf({ initializer: [{ name: 'w', dims: [1_000_000], dataType: 1 }], node: [build.node('Add', ['x', 'w'], ['y'])] }),
      /1000000 elements/,
    ],
    [
      'an absurd input',
      () => build.model({ input: [build.float('x', ['N', 2 ** 40])], output: scalarOutput, node: [build.node('Identity', ['x'], ['y'])] }),
      /no machine/,
    ],
    ['an operator set from the future', () => build.linear([1], 0, { opsetImport: [{ domain: '', version: 99 }] }), /operator set 99/],
    ['an IR version from the future', () => build.linear([1], 0, { irVersion: 99 }), /IR version 99/],
    ['an infinite loop', () => build.infiniteLoop(), /within 1500 ms/],
    ['16 GiB at the first run', () => build.allocates16GiB(), /memory/],
  ])('refuses %s', async (_name, bytes, message) => {
    expect(await refusal(bytes(), { cpuMs: 1500 })).toMatch(message);
  });

  it('refuses a file over the size limit', async () => {
    expect(await refusal(build.linear([1], 0), { maxSizeBytes: 100 })).toMatch(/at most 100/);
  });

  it('never lets external data through a hard link', async () => {
    writeFileSync(join(folder, 'secret'), 'secret bytes');
    linkSync(join(folder, 'secret'), join(folder, 'weights.bin'));
    const bytes = graphOf({ initializer: [build.externalTensor('w', 'weights.bin')], node: [build.node('Add', ['x', 'w'], ['y'])] });
    expect(await refusal(bytes)).toMatch(/external data/);
  });

  it('leaves nothing in the temporary folder', async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('matih-check-'));
    await refusal(build.infiniteLoop(), { cpuMs: 600 });
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('matih-check-') && !before.includes(name))).toEqual([]);
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

  it('does not read past a bound of nodes', () => {
    const nodes = Array.from({ length: 1001 }, (_, i) => build.node('Identity', [i ? `n${i}` : 'x'], [`n${i + 1}`]));
    expect(() => inspectOnnxFile(graphOf({ node: nodes }), LIMITS)).toThrow(/1000 nodes/);
  });
});
