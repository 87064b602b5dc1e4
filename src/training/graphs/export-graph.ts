import { MISSING_TIMESTAMP_MS } from '../../domain/serving/element.js';
import type { Signature, TensorSpec } from '../../domain/serving/tensor.js';
import type { TrainingConfig } from '../../domain/training/training-config.js';
import { GraphBuilder } from '../../onnx/graph-builder.js';
import { DAY_MS, type Encoding, EPOCH_WEEKDAY, HOUR_MS, type SlotEncoding } from '../encoding.js';
import { forwardPass } from './forward.js';
import { type Head, nearest, parametersFor, probabilities, squaredDistances, targetValue, toFloat } from './heads.js';
import type { NetworkShape } from './network.js';

export interface ExportedModel {
  bytes: Uint8Array;
  signature: Signature;
}

export interface ExportInput {
  config: TrainingConfig;
  encoding: Encoding;
  shape: NetworkShape;
  head: Head;
  weights: Float32Array;
}

const INPUT_SPEC = {
  NUMERIC: { datatype: 'FP32', semantic: 'NUMERIC', element: 'float' },
  CATEGORICAL: { datatype: 'BYTES', semantic: 'CATEGORICAL', element: 'string' },
  TIMESTAMP: { datatype: 'INT64', semantic: 'TIMESTAMP_MS', element: 'int64' },
} as const;

/** Keeps the graph's own value names apart from any column's name. */
const INTERNAL_PREFIX = 'matih/internal/';

/** The finished model: raw columns in, preprocessing and network folded into one graph. */
export function exportGraph(input: ExportInput): ExportedModel {
  const { config, encoding, shape, head } = input;
  const b = new GraphBuilder(INTERNAL_PREFIX);
  const inputs = config.features.map(({ column, kind }): TensorSpec => {
    const { datatype, semantic, element } = INPUT_SPEC[kind];
    b.input(column, element, ['rows', 1]);
    return { name: column, datatype, shape: [-1, 1], semantic };
  });
  const batch = {
    numeric: encoding.numeric.length > 0 ? scaledNumbers(b, encoding) : undefined,
    indicators:
      encoding.slots.length > 0
        ? concatenate(
            b,
            encoding.slots.map((slot) => slotIndices(b, slot)),
          )
        : undefined,
  };
  const outputs = writeOutputs(b, input, batch, weightConstants(b, input));
  const signature: Signature = { inputs, outputs };
  const metadata: Record<string, string> = {
    model_type: config.modelType,
    signature: JSON.stringify(signature),
  };
  if (head.kind === 'CLASSES') metadata.classes = JSON.stringify(head.classes);
  if (head.kind === 'CLUSTERS') metadata.clusters = String(shape.outputs);
  return { bytes: b.model('model', metadata), signature };
}

function concatenate(b: GraphBuilder, columns: string[]): string {
  return columns.length === 1 ? columns[0]! : b.node('Concat', columns, { axis: { int: 1 } });
}

/** (x − mean) / std, missing and infinite values standing at the mean. */
function scaledNumbers(b: GraphBuilder, { numeric }: Encoding): string {
  const raw = concatenate(
    b,
    numeric.map(({ column }) => column),
  );
  const means = b.constant(
    Float32Array.from(numeric, ({ mean }) => mean),
    [1, numeric.length],
  );
  const inverseStds = b.constant(
    Float32Array.from(numeric, ({ inverseStd }) => inverseStd),
    [1, numeric.length],
  );
  const missing = b.node('Or', [b.node('IsNaN', [raw]), b.node('IsInf', [raw])]);
  return b.node('Mul', [b.node('Sub', [b.node('Where', [missing, means, raw]), means]), inverseStds]);
}

function slotIndices(b: GraphBuilder, slot: SlotEncoding): string {
  const missing = slot.offset + slot.size - 1;
  if (slot.kind === 'CATEGORY') {
    return b.mlNode('LabelEncoder', [slot.column], {
      keys_strings: { texts: [...slot.categories, ''] },
      values_int64s: { ints: [...slot.categories.map((_, index) => slot.offset + index), missing] },
      default_int64: { int: slot.offset + slot.categories.length },
    });
  }
  const dayMs = b.int64(BigInt(DAY_MS));
  // Mod takes the divisor's sign, so that instants before 1970 fall into their day as well.
  const withinDay = b.node('Mod', [slot.column, dayMs]);
  const index =
    slot.kind === 'HOUR'
      ? b.node('Div', [withinDay, b.int64(BigInt(HOUR_MS))])
      : b.node('Mod', [
          b.node('Add', [b.node('Div', [b.node('Sub', [slot.column, withinDay]), dayMs]), b.int64(BigInt(EPOCH_WEEKDAY))]),
          b.int64(7n),
        ]);
  const absent = b.node('LessOrEqual', [slot.column, b.int64(MISSING_TIMESTAMP_MS)]);
  return b.node('Where', [absent, b.int64(BigInt(missing)), b.node('Add', [index, b.int64(BigInt(slot.offset))])]);
}

function weightConstants(b: GraphBuilder, { shape, head, weights }: ExportInput): Map<string, string> {
  let offset = 0;
  return new Map(
    parametersFor(shape, head).map(({ name, dims, size }) => {
      const values = weights.slice(offset, offset + size);
      offset += size;
      return [name, b.constant(values, dims)];
    }),
  );
}

function writeOutputs(
  b: GraphBuilder,
  { shape, head }: ExportInput,
  batch: { numeric: string | undefined; indicators: string | undefined },
  weights: ReadonlyMap<string, string>,
): TensorSpec[] {
  if (head.kind === 'CLUSTERS') {
    const squared = squaredDistances(b, shape, batch, weights);
    b.output('cluster', nearest(b, squared), 'int64', ['rows']);
    b.output('distances', toFloat(b, b.node('Sqrt', [squared])), 'float', ['rows', shape.outputs]);
    return [
      { name: 'cluster', datatype: 'INT64', shape: [-1] },
      { name: 'distances', datatype: 'FP32', shape: [-1, shape.outputs] },
    ];
  }
  const { logits } = forwardPass(b, shape, batch, weights);
  if (head.kind === 'VALUE') {
    b.output('prediction', targetValue(b, logits, head), 'float', ['rows']);
    return [{ name: 'prediction', datatype: 'FP32', shape: [-1] }];
  }
  const { classes, datatype } = head;
  const shares = probabilities(b, logits);
  const best = b.node('ArgMax', [shares], { axis: { int: -1 }, keepdims: { int: 0 } });
  const names = datatype === 'INT64' ? b.constant(BigInt64Array.from(classes, BigInt)) : b.constant(classes);
  b.output('label', b.node('Gather', [names, best]), datatype === 'INT64' ? 'int64' : 'string', ['rows']);
  b.output('probabilities', shares, 'float', ['rows', shape.outputs]);
  return [
    { name: 'label', datatype, shape: [-1] },
    { name: 'probabilities', datatype: 'FP32', shape: [-1, shape.outputs] },
  ];
}
