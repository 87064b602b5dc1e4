import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Tensor } from '../../src/modules/model-contract/rules/tensor.js';
import { OnnxEngine } from '../../src/inference/onnx/onnx-engine.js';
import { type Attribute, GraphBuilder } from '../../src/inference/onnx/format/graph-builder.js';
import { readGraph } from '../../src/inference/onnx/format/rows/graph.js';
import { proveRowIndependence } from '../../src/inference/onnx/format/rows/row-independence.js';

const COLUMNS = 4;
const GRAPHS = Number(process.env.MATIH_ROW_GRAPHS ?? 1000);

/** One node: an operator, which earlier values it takes, and numbers that choose its attributes. */
interface Step {
  op: number;
  from: number[];
  pick: number[];
}

type Make = (b: GraphBuilder, values: string[], pick: (most: number) => number) => string[];

const int = (value: number): Attribute => ({ int: value });
const axisOf = (pick: (most: number) => number): number => pick(4) - 2;
const wave = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(i * 2.7 + 1) * 2);

/** Shapes that broadcast with the rows in right and wrong ways. */
const CONSTANT_SHAPES = [
  [],
  [1],
  [COLUMNS],
  [1, COLUMNS],
  [COLUMNS, COLUMNS],
  [3, 1],
  [2, 1, COLUMNS],
  [1, 1, 1],
  [3],
  [3, COLUMNS],
];
const constantOf = (b: GraphBuilder, pick: (most: number) => number): string => {
  const shape = CONSTANT_SHAPES[pick(CONSTANT_SHAPES.length)]!;
  return b.constant(wave(shape.reduce((product, size) => product * size, 1)), shape);
};

const each = (names: string, make: (name: string) => Make): Make[] => names.split(' ').map(make);

/** Operators of the list, used in right and wrong ways, and some that are not on it. */
const OPERATORS: Make[] = [
  ...each('Relu Tanh Abs Neg Sigmoid Identity Erf Floor', (op) => (b, [x]) => [b.node(op, [x!])]),
  ...each('Add Sub Mul Max Min', (op) => (b, [x, y]) => [b.node(op, [x!, y!])]),
  ...each('Add Sub Mul Max Where', (op) => (b, [x], pick) => {
    const c = constantOf(b, pick);
    return [
      op === 'Where' ? b.node('Where', [b.node('Greater', [x!, c]), x!, c]) : b.node(op, pick(2) ? [x!, c] : [c, x!]),
    ];
  }),
  ...each('ReduceMean ReduceSum ReduceMax ReduceL2', (op) => (b, [x], pick) => [
    b.node(op, [x!, b.ints(axisOf(pick))], { keepdims: int(pick(2)) }),
  ]),
  (b, [x], pick) => [b.node('ReduceSum', [x!], { keepdims: int(pick(2)), noop_with_empty_axes: int(pick(2)) })],
  ...each('Softmax LogSoftmax Hardmax', (op) => (b, [x], pick) => [b.node(op, [x!], { axis: int(axisOf(pick)) })]),
  (b, [x], pick) => [
    b.node('Cast', [b.node(pick(2) ? 'ArgMax' : 'ArgMin', [x!], { axis: int(axisOf(pick)), keepdims: int(pick(2)) })], {
      to: int(1),
    }),
  ],
  (b, [x], pick) => b.multi('TopK', [x!, b.ints(1 + pick(2))], 2, { axis: int(axisOf(pick)) }).slice(0, 1),
  (b, [x], pick) => [b.node('CumSum', [x!, b.int64(BigInt(axisOf(pick)))])],
  (b, [x], pick) => [
    b.node(
      'Transpose',
      [x!],
      pick(2)
        ? {}
        : {
            perm: {
              ints: [
                [1, 0],
                [0, 2, 1],
                [1, 0, 2],
                [2, 1, 0],
              ][pick(4)]!,
            },
          },
    ),
  ],
  (b, [x, y]) => [b.node('MatMul', [x!, y!])],
  (b, [x], pick) => {
    const c = constantOf(b, pick);
    return [b.node('MatMul', pick(2) ? [x!, c] : [c, x!])];
  },
  (b, [x, y], pick) => [
    b.node('Gemm', pick(2) ? [x!, y!] : [x!, b.constant(wave(16), [4, 4]), constantOf(b, pick)], {
      transA: int(pick(2)),
      transB: int(pick(2)),
    }),
  ],
  (b, [x, y], pick) => [b.node('Concat', [x!, y!], { axis: int(axisOf(pick)) })],
  (b, [x], pick) => [b.node('Concat', [x!, constantOf(b, pick)], { axis: int(axisOf(pick)) })],
  (b, [x], pick) => [
    b.node('Reshape', [
      x!,
      b.ints(
        ...[
          [-1],
          [-1, 4],
          [0, -1],
          [1, -1],
          [-1, 1],
          [4, -1],
          [-1, 2],
          [0, 2, 2],
          [-1, 2, 2],
          [2, -1, 2],
          [1, 0, -1],
          [0, 0],
        ][pick(12)]!,
      ),
    ]),
  ],
  (b, [x], pick) => {
    const rows = b.node('Gather', [b.node('Shape', [pick(2) ? x! : 'x']), b.ints(pick(2))]);
    return [
      b.node('Reshape', [x!, b.node('Concat', pick(2) ? [rows, b.ints(-1)] : [b.ints(-1), rows], { axis: int(0) })]),
    ];
  },
  (b, [x], pick) => [b.node('Flatten', [x!], { axis: int(axisOf(pick)) })],
  (b, [x], pick) => [b.node('Squeeze', pick(3) ? [x!, b.ints(axisOf(pick))] : [x!])],
  (b, [x], pick) => [b.node('Unsqueeze', [x!, b.ints(axisOf(pick))])],
  (b, [x], pick) => [
    b.node('Slice', [
      x!,
      b.ints(pick(3) - 1),
      b.ints([1, 2, -1, 2 ** 31][pick(4)]!),
      b.ints(axisOf(pick)),
      b.ints(pick(2) ? 1 : -1),
    ]),
  ],
  (b, [x], pick) => b.multi('Split', [x!], 2, { axis: int(axisOf(pick)), num_outputs: int(2) }),
  (b, [x], pick) => [b.node('Gather', [x!, b.ints(...[[0], [1, 0], [-1]][pick(3)]!)], { axis: int(axisOf(pick)) })],
  (b, [x], pick) => [
    b.node(
      'Gather',
      [
        b.constant(wave(24), [6, 4]),
        b.node('Cast', [b.node('Clip', [b.node('Abs', [x!]), b.float(0), b.float(5)])], { to: int(7) }),
      ],
      { axis: int(pick(2)) },
    ),
  ],
  (b, [x, y], pick) => [
    b.node(
      'GatherElements',
      [x!, b.node('Cast', [b.node('Clip', [b.node('Abs', [y!]), b.float(0), b.float(0)])], { to: int(7) })],
      {
        axis: int(axisOf(pick)),
      },
    ),
  ],
  (b, [x], pick) => [
    b.node('Pad', [
      x!,
      b.ints(
        ...[
          [0, 1, 0, 0],
          [1, 0, 0, 0],
          [0, 0, 0, 2],
          [0, 0, 0, 0],
        ][pick(4)]!,
      ),
    ]),
  ],
  (b, [x], pick) => [
    b.node('Tile', [
      x!,
      b.ints(
        ...[
          [1, 2],
          [2, 1],
          [1, 1],
        ][pick(3)]!,
      ),
    ]),
  ],
  (b, [x], pick) => [b.node('Expand', [x!, b.ints(...[[1, 4], [3, 1, 1], [2, 4], [1]][pick(4)]!)])],
  (b, [x], pick) => [b.node('Expand', [pick(2) ? x! : constantOf(b, pick), b.node('Shape', ['x'])])],
  (b, [x], pick) => [b.node('Add', [x!, b.node('ConstantOfShape', [b.node('Shape', [pick(2) ? x! : 'x'])])])],
  (b, [x]) => [
    b.node('Mul', [x!, b.node('Cast', [b.node('Gather', [b.node('Shape', ['x']), b.ints(0)])], { to: int(1) })]),
  ],
  (b, [x], pick) => [
    b.node('OneHot', [b.node('Cast', [x!], { to: int(7) }), b.int64(3n), b.constant(Float32Array.of(0, 1))], {
      axis: int(axisOf(pick)),
    }),
  ],
  (b, [x], pick) => [b.node('LayerNormalization', [x!, constantOf(b, pick)], { axis: int(axisOf(pick)) })],
  (b, [x], pick) => [b.node('LpNormalization', [x!], { axis: int(axisOf(pick)) })],
  (b, [x], pick) => [
    b.node('Einsum', [x!, x!], {
      equation: { text: ['ij,ij->i', 'ij,kj->ik', 'ij,ij->ij', 'ij,ik->ijk', 'ij,ij->j', 'ij,ij->ji'][pick(6)]! },
    }),
  ],
  (b, [x], pick) => [b.node('Conv', [x!, b.constant(wave(4), [2, 1, 2])], { pads: { ints: [pick(2), 0] } })],
  (b, [x]) => [b.node('Trilu', [x!])],
  (b, [x]) => [b.node('EyeLike', [x!])],
  (b, [x]) => [b.node('Cast', [b.node('NonZero', [x!])], { to: int(1) })],
  (b, [x]) => {
    const [quantised, scale, zero] = b.multi('DynamicQuantizeLinear', [x!], 3);
    return [b.node('DequantizeLinear', [quantised!, scale!, zero!])];
  },
  (b, [x], pick) => [b.mlNode('Normalizer', [x!], { norm: { text: ['L1', 'L2', 'MAX'][pick(3)]! } })],
  (b, [x]) => [b.mlNode('Scaler', [x!], { scale: { float: 2 }, offset: { float: 1 } })],
  (b, [x], pick) => [b.mlNode('ArrayFeatureExtractor', [x!, b.ints(...[[0], [1, 0]][pick(2)]!)], {})],
  (b, [x], pick) => [
    b.mlNode(
      'ArrayFeatureExtractor',
      [
        b.constant(wave(6)),
        b.node('Cast', [b.node('ArgMax', [x!], { axis: int(1), keepdims: int(pick(2)) })], { to: int(7) }),
      ],
      {},
    ),
  ],
  (b, [x]) => [b.mlNode('FeatureVectorizer', [x!, x!], {})],
];

function buildModel(steps: readonly Step[]): Uint8Array {
  const b = new GraphBuilder('t');
  const values = [b.input('x', 'float', ['N', COLUMNS]), b.input('z', 'float', ['N', 1])];
  for (const { op, from, pick } of steps) {
    let at = 0;
    const draw = (most: number): number => pick[at++ % pick.length]! % most;
    // Mostly the latest values, so that long chains are made.
    const chosen = from.map((back) => values[Math.max(0, values.length - 1 - (back % values.length))]!);
    values.push(...OPERATORS[op]!(b, chosen, draw));
  }
  b.output('y', values.at(-1)!, 'float');
  return b.model('m');
}

const REQUESTS = [1, 2, 1, 3];

/** Rows of several magnitudes, different for each request. */
const rowsOf = (request: number, rows: number, columns: number): Float32Array =>
  Float32Array.from(
    { length: rows * columns },
    (_, i) => [0.3, -2, 11, 400, -0.01, 5][(i * 5 + request * 7 + (i >> 2)) % 6]! * (1 + request),
  );

const INPUTS = [
  { name: 'x', datatype: 'FP32' as const, shape: [-1, COLUMNS] },
  { name: 'z', datatype: 'FP32' as const, shape: [-1, 1] },
];

let folder: string;
let engine: OnnxEngine;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'graphs-test-'));
  engine = new OnnxEngine({ quarantineBaseMs: 1 });
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

/**
 * The answer to the requests as one batch; null when the model refuses, or ends the process that runs it, as some
 * generated graphs do.
 */
async function answer(
  modelId: string,
  parts: readonly (readonly [request: number, rows: number])[],
): Promise<Tensor | null> {
  const rows = parts.reduce((sum, [, own]) => sum + own, 0);
  const inputs = INPUTS.map(({ name, datatype, shape }): Tensor => ({
    ...{ name, datatype, shape: [rows, shape[1]!] },
    data: Float32Array.from(parts.flatMap(([request, own]) => [...rowsOf(request, own, shape[1]!)])),
  }));
  return await engine.infer(modelId, inputs, { deadlineMs: 20_000 }).then(
    ({ outputs }) => outputs[0]!,
    () => null,
  );
}

const near = (a: number, b: number, scale: number): boolean => Object.is(a, b) || Math.abs(a - b) <= 1e-5 * scale;

function isSame(together: Tensor | null, alone: readonly Tensor[]): boolean {
  if (!together || together.shape[0] !== REQUESTS.reduce((sum, rows) => sum + rows)) return false;
  const wanted = alone.flatMap(({ data }) => Array.from(data as Float32Array));
  const got = Array.from(together.data as Float32Array);
  const scale = Math.max(1, ...got.filter(Number.isFinite).map(Math.abs));
  return (
    alone.every(({ shape }, request) => shape[0] === REQUESTS[request]) &&
    wanted.length === got.length &&
    wanted.every((value, at) => near(value, got[at]!, scale))
  );
}

const step = fc.record<Step>({
  op: fc.nat(OPERATORS.length - 1),
  from: fc.tuple(fc.constantFrom(0, 0, 0, 1, 2), fc.nat(6)),
  pick: fc.array(fc.nat(1000), { minLength: 6, maxLength: 6 }),
});

it(
  'what is proven is true: requests together are answered as each alone, over random graphs',
  { timeout: 600_000 },
  async () => {
    const counts = { proven: 0, unproven: 0, mixing: 0, unrunnable: 0 };
    let models = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
        models += 1;
        const modelId = `m${models}`;
        const path = join(folder, `${modelId}.onnx`);
        const bytes = buildModel(steps);
        writeFileSync(path, bytes);
        try {
          if (!(await engine.load({ modelId, path }).catch(() => null))) {
            counts.unrunnable += 1;
            return;
          }
          // Tests the proof itself: the engine's own trial would hide its mistakes.
          const { proven } = proveRowIndependence(readGraph(bytes), INPUTS);
          const alone: Tensor[] = [];
          for (const [request, rows] of REQUESTS.entries()) {
            const own = await answer(modelId, [[request, rows]]);
            if (own) alone.push(own);
          }
          if (alone.length < REQUESTS.length) {
            counts.unrunnable += 1;
            return;
          }
          const same = isSame(await answer(modelId, [...REQUESTS.entries()]), alone);
          counts[proven ? 'proven' : 'unproven'] += 1;
          if (!same) counts.mixing += 1;
          if (proven) expect(same).toBe(true);
        } finally {
          await engine.unload(modelId);
          rmSync(path);
        }
      }),
      { numRuns: GRAPHS },
    );
    console.log(
      `random graphs: ${counts.proven} proven, ${counts.unproven} not (${counts.mixing} of those mix rows), ` +
        `${counts.unrunnable} that do not run`,
    );
    expect(counts.proven).toBeGreaterThan(GRAPHS / 10);
    expect(counts.mixing).toBeGreaterThan(GRAPHS / 20);
  },
);
