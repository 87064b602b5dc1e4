import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Datatype, RowIndependence, Tensor, TensorData } from '../../src/modules/model-contract/rules/tensor.js';
import { OnnxEngine } from '../../src/inference/onnx/onnx-engine.js';
import { type ElementType, GraphBuilder } from '../../src/inference/onnx/format/graph-builder.js';
import * as build from '../fixtures/models/build.js';

const CALLERS = 16;
const DEADLINE = { deadlineMs: 30_000 };

let folder: string;
let engine: OnnxEngine;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rows-test-'));
  engine = new OnnxEngine();
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Case {
  /** Writes nodes after the input `x` and returns the value that becomes the output. */
  graph(b: GraphBuilder, x: string): string;
  element?: ElementType;
  columns?: number;
  /** What the callers send; numbers of several magnitudes when absent. */
  texts?: string[];
}

const DATATYPE: Partial<Record<ElementType, Datatype>> = {
  float: 'FP32',
  int64: 'INT64',
  int32: 'INT32',
  string: 'BYTES',
};

function modelOf({ graph, element = 'float', columns = 2 }: Case): Uint8Array {
  const b = new GraphBuilder('t');
  const x = b.input('x', element, ['N', columns]);
  const y = graph(b, x);
  b.output('y', y, element === 'string' ? 'float' : element);
  return b.model('m');
}

function dataOf({ element = 'float', columns = 2, texts }: Case, caller: number): TensorData {
  // One caller with large values among callers with small ones.
  const values = Array.from({ length: columns }, (_, column) =>
    caller === 7 ? 5000 + column : ((caller * 7 + column * 3) % 11) - 4,
  );
  if (texts) return Array.from({ length: columns }, (_, column) => texts[(caller + column) % texts.length]!);
  if (element === 'int64') return BigInt64Array.from(values, BigInt);
  return element === 'int32' ? Int32Array.from(values) : Float32Array.from(values, (value) => value / 3);
}

let models = 0;

/** How many of the callers' answers differ between running alone and together, and what the signature says. */
async function tryRows(
  bytes: Uint8Array,
  inputs: (caller: number) => Tensor[],
): Promise<{ wrong: number; proof: RowIndependence | undefined }> {
  models += 1;
  const modelId = `m${models}`;
  const path = join(folder, `${modelId}.onnx`);
  writeFileSync(path, bytes);
  const { rowIndependence } = await engine.load({ modelId, path });
  const ask = async (caller: number) =>
    (await engine.infer(modelId, inputs(caller), DEADLINE)).outputs.map(({ data }) =>
      Array.from(data as Float32Array, String),
    );
  const alone: string[][][] = [];
  for (let caller = 0; caller < CALLERS; caller += 1) alone.push(await ask(caller));
  const together = await Promise.all(Array.from({ length: CALLERS }, (_, caller) => ask(caller)));
  const differs = (a: string, b: string): boolean =>
    a !== b && !(Math.abs(Number(a) - Number(b)) <= 1e-5 * Math.max(1, Math.abs(Number(a))));
  const wrong = together.filter((outputs, caller) =>
    outputs.some(
      (values, output) =>
        values.length !== alone[caller]![output]!.length ||
        values.some((value, at) => differs(value, alone[caller]![output]![at]!)),
    ),
  ).length;
  await engine.unload(modelId);
  return { wrong, proof: rowIndependence };
}

const tryCase = (one: Case) =>
  tryRows(modelOf(one), (caller) => [
    { name: 'x', datatype: DATATYPE[one.element ?? 'float']!, shape: [1, one.columns ?? 2], data: dataOf(one, caller) },
  ]);

const toFloat = { to: { int: 1 } };
const toInt64 = { to: { int: 7 } };

/** `remembers`: the runtime keeps a state from run to run, so that two runs alone differ as well. */
const MIXING: Record<string, Case & { reason: RegExp; remembers?: true }> = {
  'INT64 x − ReduceMean(x)': {
    element: 'int64',
    reason: /ReduceMean.* rows/,
    graph: (b, x) =>
      b.node(
        'Cast',
        [
          b.node('Sub', [
            b.node('Cast', [x], toFloat),
            b.node('ReduceMean', [b.node('Cast', [x], toFloat), b.ints(0)]),
          ]),
        ],
        toInt64,
      ),
  },
  'INT64 x − ReduceMax(x)': {
    element: 'int64',
    reason: /ReduceMax/,
    graph: (b, x) => b.node('Sub', [x, b.node('ReduceMax', [x, b.ints(0)])]),
  },
  'INT32 x − ReduceMax(x)': {
    element: 'int32',
    reason: /ReduceMax/,
    graph: (b, x) => b.node('Sub', [x, b.node('ReduceMax', [x, b.ints(0)])]),
  },
  'FP32 x − ReduceMean(x) over all': {
    reason: /ReduceMean/,
    graph: (b, x) => b.node('Sub', [x, b.node('ReduceMean', [x])]),
  },
  'x / ReduceSum(x)': { reason: /ReduceSum/, graph: (b, x) => b.node('Div', [x, b.node('ReduceSum', [x, b.ints(0)])]) },
  'x + (ReduceMax(x) > 100)': {
    reason: /ReduceMax/,
    graph: (b, x) =>
      b.node('Add', [
        x,
        b.node('Cast', [b.node('Greater', [b.node('ReduceMax', [x, b.ints(0)]), b.float(100)])], toFloat),
      ]),
  },
  'reduction by a negative axis': {
    reason: /ReduceSum/,
    graph: (b, x) => b.node('Sub', [x, b.node('ReduceSum', [x, b.ints(-2)])]),
  },
  'reduction by an axis that is calculated': {
    reason: /ReduceSum/,
    graph: (b, x) => b.node('Sub', [x, b.node('ReduceSum', [x, b.node('Sub', [b.ints(1), b.ints(1)])])]),
  },
  'CumSum along the rows': { reason: /CumSum/, graph: (b, x) => b.node('CumSum', [x, b.int64(0n)]) },
  'TopK along the rows': {
    reason: /TopK/,
    graph: (b, x) => b.node('Add', [x, b.multi('TopK', [x, b.ints(1)], 2, { axis: { int: 0 } })[0]!]),
  },
  'ArgMax by its default axis': {
    reason: /ArgMax/,
    graph: (b, x) => b.node('Add', [x, b.node('Cast', [b.node('ArgMax', [x])], toFloat)]),
  },
  'Softmax along the rows': { reason: /Softmax/, graph: (b, x) => b.node('Softmax', [x], { axis: { int: 0 } }) },
  'BatchNormalization in training': {
    reason: /BatchNormalization/,
    remembers: true,
    graph: (b, x) => {
      const two = (value: number) => b.constant(Float32Array.of(value, value));
      return b.multi('BatchNormalization', [x, two(1), two(0), two(0), two(1)], 3, { training_mode: { int: 1 } })[0]!;
    },
  },
  'dynamic quantisation': {
    reason: /DynamicQuantizeLinear/,
    graph: (b, x) => {
      const [quantised, scale, zero] = b.multi('DynamicQuantizeLinear', [x], 3);
      return b.node('DequantizeLinear', [quantised!, scale!, zero!]);
    },
  },
  'rows cut by a Reshape': {
    columns: 4,
    reason: /Reshape/,
    graph: (b, x) =>
      b.node('Reshape', [b.node('ReduceMax', [b.node('Reshape', [x, b.ints(1, -1)]), b.ints(1)]), b.ints(-1, 1)]),
  },
  'every row beside every other': {
    reason: /MatMul/,
    graph: (b, x) => b.node('ReduceSum', [b.node('MatMul', [x, b.node('Transpose', [x])]), b.ints(1)]),
  },
  'rows mixed through a MatMul of the transposed': {
    reason: /MatMul|Gemm/,
    graph: (b, x) => b.node('MatMul', [x, b.node('MatMul', [b.node('Transpose', [x]), x])]),
  },
  'Gemm that turns its input': {
    reason: /Gemm/,
    graph: (b, x) => b.node('MatMul', [x, b.node('Gemm', [x, x], { transA: { int: 1 } })]),
  },
  'the first row taken for all': {
    reason: /Gather/,
    graph: (b, x) => b.node('Add', [x, b.node('Gather', [x, b.ints(0)])]),
  },
  'a slice of the first row': {
    reason: /Slice/,
    graph: (b, x) => b.node('Add', [x, b.node('Slice', [x, b.ints(0), b.ints(1), b.ints(0)])]),
  },
  '[N, 1] beside [N]': {
    columns: 1,
    reason: /Add/,
    graph: (b, x) => b.node('ReduceMax', [b.node('Add', [x, b.node('Squeeze', [x, b.ints(1)])]), b.ints(1)]),
  },
  'the number of rows': {
    reason: /Cast|Mul/,
    graph: (b, x) => b.node('Mul', [x, b.node('Cast', [b.node('Gather', [b.node('Shape', [x]), b.ints(0)])], toFloat)]),
  },
  'a number for each place in the batch': {
    element: 'int64',
    reason: /Range/,
    graph: (b, x) => {
      const rows = b.node('Squeeze', [b.node('Gather', [b.node('Shape', [x]), b.ints(0)]), b.ints(0)]);
      return b.node('Add', [x, b.node('Unsqueeze', [b.node('Range', [b.int64(0n), rows, b.int64(1n)]), b.ints(1)])]);
    },
  },
  'a unit matrix laid over the batch': {
    reason: /EyeLike/,
    graph: (b, x) => b.node('Add', [x, b.node('EyeLike', [x])]),
  },
  Einsum: { reason: /Einsum/, graph: (b, x) => b.node('Einsum', [x, x], { equation: { text: 'ij,kj->ij' } }) },
  'If that looks at all rows': {
    reason: /ReduceMax/,
    graph: (b, x) => {
      const branch = (prefix: string, factor: number) => {
        const inner = new GraphBuilder(prefix);
        inner.output(`${prefix}out`, inner.node('Mul', [x, inner.float(factor)]), 'float');
        return inner.graph(prefix);
      };
      const condition = b.node('Greater', [b.node('ReduceMax', [x], { keepdims: { int: 0 } }), b.float(100)]);
      return b.node('If', [condition], {
        then_branch: { graph: branch('yes', 2) },
        else_branch: { graph: branch('no', 3) },
      });
    },
  },
  'If whose branch reads the rows from outside': {
    reason: /If/,
    graph: (b, x) => {
      const branch = (prefix: string) => {
        const inner = new GraphBuilder(prefix);
        inner.output(`${prefix}out`, inner.node('Sub', [x, inner.node('ReduceMax', [x, inner.ints(0)])]), 'float');
        return inner.graph(prefix);
      };
      const condition = b.node('Greater', [b.float(2), b.float(1)]);
      return b.node('If', [condition], { then_branch: { graph: branch('yes') }, else_branch: { graph: branch('no') } });
    },
  },
  'Loop that reads the rows from outside': {
    reason: /Loop/,
    graph: (b, x) => {
      const body = new GraphBuilder('body');
      body.input('i', 'int64', []);
      const go = body.input('go', 'bool', []);
      const carried = body.input('carried', 'float', ['a', 2]);
      body.output('go_on', go, 'bool');
      body.output('next', body.node('Add', [carried, body.node('ReduceMax', [x, body.ints(0)])]), 'float');
      return b.node('Add', [
        x,
        b.node('Loop', [b.int64(2n), '', b.constant(Float32Array.of(0, 0), [1, 2])], {
          body: { graph: body.graph('body') },
        }),
      ]);
    },
  },
  'texts whose number of different ones counts': {
    element: 'string',
    columns: 1,
    texts: ['a', 'b', 'c', 'd', 'e'],
    reason: /Unique|Cast/,
    graph: (b, x) => {
      const code = b.mlNode('LabelEncoder', [x], {
        keys_strings: { texts: ['a', 'b', 'c'] },
        values_int64s: { ints: [1, 2, 3] },
        default_int64: { int: 9 },
      });
      const different = b.node('Shape', [b.node('Unique', [code])]);
      return b.node('Cast', [b.node('Mul', [code, different])], toFloat);
    },
  },
  'texts coded beside the largest code': {
    element: 'string',
    columns: 1,
    texts: ['a', 'b', 'c', 'd', 'e'],
    reason: /ReduceMax/,
    graph: (b, x) => {
      const code = b.mlNode('LabelEncoder', [x], {
        keys_strings: { texts: ['a', 'b', 'c'] },
        values_int64s: { ints: [1, 2, 3] },
        default_int64: { int: 9 },
      });
      return b.node('Cast', [b.node('Sub', [code, b.node('ReduceMax', [code, b.ints(0)])])], toFloat);
    },
  },
};

const APART: Record<string, Case> = {
  'a scaled column through layers': {
    graph: (b, x) => {
      const scaled = b.node('Mul', [
        b.node('Sub', [x, b.constant(Float32Array.of(1, 2), [1, 2])]),
        b.constant(Float32Array.of(0.5, 3)),
      ]);
      const hidden = b.node('Relu', [
        b.node(
          'Gemm',
          [scaled, b.constant(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2]), b.constant(Float32Array.of(1, 2, 3))],
          {
            transB: { int: 1 },
          },
        ),
      ]);
      return b.node('Softmax', [b.node('MatMul', [hidden, b.constant(Float32Array.of(1, -1, 2, 0.5, 1, -2), [3, 2])])]);
    },
  },
  'statistics of each row': {
    graph: (b, x) =>
      b.node('Div', [
        b.node('Sub', [x, b.node('ReduceMean', [x, b.ints(-1)])]),
        b.node('Add', [b.node('ReduceL2', [x, b.ints(1)]), b.float(1)]),
      ]),
  },
  'a reshape as PyTorch writes it': {
    columns: 6,
    graph: (b, x) => {
      const rows = b.node('Gather', [b.node('Shape', [x]), b.ints(0)]);
      const cube = b.node('Reshape', [x, b.node('Concat', [rows, b.ints(2, 3)], { axis: { int: 0 } })]);
      const turned = b.node('Transpose', [cube], { perm: { ints: [0, 2, 1] } });
      return b.node('Reshape', [turned, b.ints(-1, 6)]);
    },
  },
  'a recurrent cell, the rows in the middle': {
    columns: 6,
    graph: (b, x) => {
      const steps = b.node('Transpose', [b.node('Reshape', [x, b.ints(0, 3, 2)])], { perm: { ints: [1, 0, 2] } });
      const weights = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(i * 1.7));
      const [all] = b.multi(
        'GRU',
        [steps, b.constant(weights(24), [1, 12, 2]), b.constant(weights(48), [1, 12, 4])],
        2,
        {
          hidden_size: { int: 4 },
        },
      );
      return b.node('Transpose', [b.node('Squeeze', [all!, b.ints(1)])], { perm: { ints: [1, 0, 2] } });
    },
  },
  'the best of each row, by name': {
    element: 'int64',
    graph: (b, x) =>
      b.node('Gather', [
        b.constant(BigInt64Array.of(70n, 80n)),
        b.node('ArgMax', [x], { axis: { int: -1 }, keepdims: { int: 0 } }),
      ]),
  },
  'a table of categories': {
    element: 'string',
    columns: 1,
    texts: ['a', 'b', 'c', '', 'zebra'],
    graph: (b, x) => b.mlNode('OneHotEncoder', [x], { cats_strings: { texts: ['a', 'b', 'c'] }, zeros: { int: 1 } }),
  },
};

describe('rows that depend on each other', () => {
  it.each(Object.entries(MIXING))('%s: one request at a time, with the reason', async (_name, one) => {
    const { wrong, proof } = await tryCase(one);
    expect(proof).toEqual({ proven: false, reason: expect.stringMatching(one.reason) as string });
    if (!one.remembers) expect(wrong).toBe(0);
  });

  it('a classifier that quantises over the batch answers requests beside large values as when alone', async () => {
    const b = new GraphBuilder('t');
    const x = b.input('x', 'float', ['N', 4]);
    const [quantised, scale, zero] = b.multi('DynamicQuantizeLinear', [x], 3);
    const weights = b.node('Cast', [b.constant(BigInt64Array.of(10n, -20n, 30n, 5n, -7n, 90n, 1n, 60n), [4, 2])], {
      to: { int: 3 },
    });
    const product = b.node('Cast', [b.node('MatMulInteger', [quantised!, weights, zero!])], toFloat);
    b.output(
      'probabilities',
      b.node('Softmax', [b.node('Mul', [product, b.node('Mul', [scale!, b.float(0.01)])])]),
      'float',
    );
    const { wrong, proof } = await tryRows(b.model('m'), (caller) => [
      { name: 'x', datatype: 'FP32', shape: [1, 4], data: dataOf({ columns: 4, graph: () => '' }, caller) },
    ]);
    expect(proof!.proven).toBe(false);
    expect(wrong).toBe(0);
  });
});

describe('independent rows', () => {
  it.each(Object.entries(APART))('%s: proven, and joined answers are those of each alone', async (_name, one) => {
    const before = engine.stats();
    const { wrong, proof } = await tryCase(one);
    expect(proof).toEqual({ proven: true, reason: null });
    expect(wrong).toBe(0);
    // The sixteen requests together took fewer runs than one each.
    expect(engine.stats().batches - before.batches).toBeLessThan(2 * CALLERS);
  });

  it('two inputs of one batch', async () => {
    const b = new GraphBuilder('t');
    const both = b.node('Concat', [b.input('x', 'float', ['N', 2]), b.input('y', 'float', ['N', 1])], {
      axis: { int: 1 },
    });
    b.output('sum', b.node('ReduceSum', [both, b.ints(1)], { keepdims: { int: 0 } }), 'float');
    const { wrong, proof } = await tryRows(b.model('m'), (caller) => [
      { name: 'x', datatype: 'FP32', shape: [1, 2], data: Float32Array.of(caller, 2) },
      { name: 'y', datatype: 'FP32', shape: [1, 1], data: Float32Array.of(-caller) },
    ]);
    expect({ wrong, proof }).toEqual({ wrong: 0, proof: { proven: true, reason: null } });
  });

  it('the fixtures of the other tests', async () => {
    const ask =
      (columns: number) =>
      (caller: number): Tensor[] => [
        { name: 'x', datatype: 'FP32', shape: [1, columns], data: dataOf({ columns, graph: () => '' }, caller) },
      ];
    expect((await tryRows(build.linear([1, 2, 3], 4), ask(3))).proof!.proven).toBe(true);
    expect((await tryRows(build.multilayer([4, 16, 3]), ask(4))).proof!.proven).toBe(true);
  });
});
