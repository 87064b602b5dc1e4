import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkModel } from '../../src/inference/onnx/model-check.js';
import { MICROSOFT_RULES } from '../../src/inference/onnx/format/rows/model-rules.js';
import * as build from '../fixtures/models/build.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'microsoft-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const weights = (name: string, dims: number[]) => {
  const length = dims.reduce((product, size) => product * size, 1);
  return { name, dims, dataType: 1, floatData: Array.from({ length }, (_, i) => Math.sin(i + 1)) };
};

/** A model with only this operator: its other inputs, the rank of its input, and whether its rows are independent. */
const MODELS: Record<string, { more?: Parameters<typeof build.node>[1]; cube?: true; texts?: true; proven: boolean }> =
  {
    BiasGelu: { more: ['vector'], proven: true },
    CDist: { more: ['square'], proven: true },
    DynamicQuantizeMatMul: { proven: false },
    FastGelu: { proven: true },
    FusedMatMul: { more: ['square'], proven: true },
    Gelu: { proven: true },
    MurmurHash3: { proven: true },
    QuickGelu: { proven: true },
    SkipLayerNormalization: { more: ['x', 'vector'], cube: true, proven: true },
    Tokenizer: { texts: true, proven: false },
    Unique: { proven: false },
  };

it('every operator on the list is tested here', () => {
  expect(Object.keys(MODELS)).toEqual(Object.keys(MICROSOFT_RULES));
});

it.each(Object.entries(MODELS))(
  '%s runs in the child, and is marked as keeping rows independent or not',
  async (opType, one) => {
    const input = { ...build.float('x', one.cube ? ['N', 2, 4] : ['N', 4]) };
    if (one.texts) input.type = { tensorType: { elemType: 8, shape: { dim: [{ dimParam: 'N' }] } } };
    const graph = {
      input: [input],
      initializer: [weights('vector', [4]), weights('square', [4, 4])],
      ...build.microsoftNodes(opType, one.more ?? []),
    };
    const opsetImport = [
      { domain: '', version: 17 },
      { domain: 'com.microsoft', version: 1 },
    ];
    const path = join(folder, `${opType}.onnx`);
    writeFileSync(path, build.model(graph, { opsetImport }));
    const { signature } = await checkModel(path);
    expect(signature.rowIndependence!.proven, signature.rowIndependence!.reason ?? '').toBe(one.proven);
  },
);
