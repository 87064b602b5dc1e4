import type { InputColumn, Signature, TensorSpec } from '../../modules/model-contract/index.js';
import { isKMeans, type TrainingConfig } from '../../modules/algorithms/index.js';
import { GraphBuilder } from '../../inference/onnx/format/graph-builder.js';
import { readGraph } from '../../inference/onnx/format/rows/graph.js';
import { proveRowIndependence } from '../../inference/onnx/format/rows/row-independence.js';
import type { Encoding, ScaledColumn, SlotEncoding } from '../encoding.js';
import { type EncodedBatch, forwardPass } from './forward.js';
import { type Head, nearest, parametersFor, probabilities, squaredDistances, targetValue, toFloat } from './heads.js';
import type { NetworkShape } from './network.js';
import { textGraph } from './text-graph.js';
import { TimeGraph } from './time-graph.js';

export interface ExportedModel {
  bytes: Uint8Array;
  signature: Signature;
}

export interface ExportInput {
  config: TrainingConfig;
  /** The columns that fill each input. */
  columns: ReadonlyMap<string, InputColumn>;
  encoding: Encoding;
  shape: NetworkShape;
  head: Head;
  weights: Float32Array;
  /** For two classes: the probability from which the label is the second one. */
  threshold?: number;
}

const INPUT_SPEC = {
  NUMERIC: { datatype: 'FP32', semantic: 'NUMERIC', element: 'float' },
  CATEGORICAL: { datatype: 'BYTES', semantic: 'CATEGORICAL', element: 'string' },
  TIMESTAMP: { datatype: 'INT64', semantic: 'TIMESTAMP_MS', element: 'int64' },
  TEXT: { datatype: 'BYTES', semantic: 'CATEGORICAL', element: 'string' },
} as const;

const WIDE_NUMBER = { datatype: 'FP64', semantic: 'NUMERIC', element: 'double' } as const;
const FLOAT = 1;
const INT64 = 7;

/** Keeps the names of internal values different from column names. */
export const INTERNAL_PREFIX = 'matih/internal/';

/** The finished model: it takes raw columns, and preprocessing and network are one graph. */
export function exportGraph(input: ExportInput): ExportedModel {
  const { config, columns, encoding, head, threshold } = input;
  const b = new GraphBuilder(INTERNAL_PREFIX);
  const inputs = declareInputs(b, config, columns, wideColumns(encoding));
  const { numbers: numeric, slots, embedded } = encodedParts(b, encoding);
  const batch: EncodedBatch = {
    numeric: numeric.length > 0 ? concatenate(b, numeric) : undefined,
    indicators: slots.length > 0 ? concatenate(b, slots) : undefined,
    embedded,
  };
  const outputs = writeOutputs(b, input, batch, weightConstants(b, input));
  return finished(b, config, head, inputs, outputs, threshold);
}

/** The columns that are read in double precision. */
export function wideColumns({ numeric }: Encoding): Set<string> {
  return new Set(
    numeric.filter((part) => part.kind === 'COLUMN' && part.precision === 'FP64').map(({ column }) => column),
  );
}

/** The encoded row: its numbers, and for each slot the index of its indicator (rows × 1). */
export function encodedParts(
  b: GraphBuilder,
  encoding: Encoding,
): { numbers: string[]; slots: string[]; embedded: string[] } {
  const times = new TimeGraph(b);
  return {
    numbers: numbers(b, encoding, times),
    slots: encoding.slots.map((slot) => slotIndices(b, slot, times)),
    embedded: encoding.embedded.map((slot) => slotIndices(b, slot, times)),
  };
}

/** Declares one input per feature. `wide`: columns in double precision. */
export function declareInputs(
  b: GraphBuilder,
  { features }: TrainingConfig,
  columns: ReadonlyMap<string, InputColumn>,
  wide: ReadonlySet<string>,
): TensorSpec[] {
  return features.map(({ column, kind }): TensorSpec => {
    const { datatype, semantic, element } = wide.has(column) ? WIDE_NUMBER : INPUT_SPEC[kind];
    b.input(column, element, ['rows', 1]);
    return { name: column, datatype, shape: [-1, 1], semantic, columns: [columns.get(column)!] };
  });
}

/** Writes the file, with the signature in its metadata. */
export function finished(
  b: GraphBuilder,
  config: TrainingConfig,
  head: Head,
  inputs: TensorSpec[],
  outputs: TensorSpec[],
  threshold: number | undefined,
): ExportedModel {
  const signature: Signature = {
    inputs,
    outputs,
    ...(head.kind === 'CLASSES' && { classes: [...head.classes] }),
    ...(threshold !== undefined && { decisionThreshold: threshold }),
  };
  const metadata: Record<string, string> = {
    algorithm: config.algorithm,
    signature: JSON.stringify(signature),
  };
  if (head.kind === 'CLASSES') metadata.classes = JSON.stringify(head.classes);
  if (isKMeans(config)) metadata.clusters = String(config.hyperparameters.clusters);
  const bytes = b.model('model', metadata);
  return { bytes, signature: { ...signature, rowIndependence: proveRowIndependence(readGraph(bytes), inputs) } };
}

export function concatenate(b: GraphBuilder, columns: string[]): string {
  return columns.length === 1 ? columns[0]! : b.node('Concat', columns, { axis: { int: 1 } });
}

/**
 * One value of the graph with all numeric parts, in the order of the encoding; neighbouring columns of single precision
 * are scaled together.
 */
function numbers(b: GraphBuilder, { numeric }: Encoding, times: TimeGraph): string[] {
  const values: string[] = [];
  let group: ScaledColumn[] = [];
  const close = (): void => {
    if (group.length > 0) values.push(scaledColumns(b, group));
    group = [];
  };
  for (const part of numeric) {
    if (part.kind !== 'COLUMN' || (group[0] && group[0].precision !== part.precision)) close();
    if (part.kind === 'COLUMN') group.push(part);
    else if (part.kind === 'TEXT') values.push(textGraph(b, part.column, part.text));
    else values.push(part.kind === 'CYCLE' ? times.cycle(part) : times.scaled(part));
  }
  close();
  return values;
}

/** (x − mean) / std; missing and infinite values are replaced by the median. */
function scaledColumns(b: GraphBuilder, group: readonly ScaledColumn[]): string {
  const wide = group[0]!.precision === 'FP64';
  const raw = concatenate(
    b,
    group.map(({ column }) => column),
  );
  const row = (of: (part: ScaledColumn) => number): string =>
    b.constant(wide ? Float64Array.from(group, of) : Float32Array.from(group, of), [1, group.length]);
  const missing = b.node('Or', [b.node('IsNaN', [raw]), b.node('IsInf', [raw])]);
  const known = b.node('Where', [missing, row(({ fill }) => fill), raw]);
  const scaled = b.node('Mul', [b.node('Sub', [known, row(({ mean }) => mean)]), row(({ inverseStd }) => inverseStd)]);
  return wide ? b.node('Cast', [scaled], { to: { int: FLOAT } }) : scaled;
}

function slotIndices(b: GraphBuilder, slot: SlotEncoding, times: TimeGraph): string {
  const missing = slot.offset + slot.size - 1;
  if (slot.kind === 'CATEGORY') {
    return b.mlNode('LabelEncoder', [slot.column], {
      keys_strings: { texts: [...slot.categories, ''] },
      values_int64s: { ints: [...slot.categories.map((_, index) => slot.offset + index), missing] },
      default_int64: { int: slot.offset + slot.categories.length },
    });
  }
  const index = b.node('Add', [times.part(slot.column, slot.part), b.int64(BigInt(slot.offset))]);
  return b.node('Where', [times.absent(slot.column), b.int64(BigInt(missing)), index]);
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
  { shape, head, threshold }: ExportInput,
  batch: EncodedBatch,
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
  const logits = forwardPass(b, shape, batch, weights);
  if (head.kind === 'VALUE') {
    b.output('prediction', targetValue(b, logits, head), head.precision === 'FP64' ? 'double' : 'float', ['rows']);
    return [{ name: 'prediction', datatype: head.precision, shape: [-1] }];
  }
  return classOutputs(b, head, probabilities(b, logits), threshold);
}

/** Writes the label, and the probabilities, `shares`, as the outputs. */
export function classOutputs(
  b: GraphBuilder,
  { classes, datatype }: Head & { kind: 'CLASSES' },
  shares: string,
  threshold: number | undefined,
): TensorSpec[] {
  const best =
    threshold === undefined
      ? b.node('ArgMax', [shares], { axis: { int: -1 }, keepdims: { int: 0 } })
      : atLeast(b, shares, threshold);
  const names = datatype === 'INT64' ? b.constant(BigInt64Array.from(classes, BigInt)) : b.constant(classes);
  b.output('label', b.node('Gather', [names, best]), datatype === 'INT64' ? 'int64' : 'string', ['rows']);
  b.output('probabilities', shares, 'float', ['rows', classes.length]);
  return [
    { name: 'label', datatype, shape: [-1] },
    { name: 'probabilities', datatype: 'FP32', shape: [-1, classes.length] },
  ];
}

/** 1 when the probability of the second class reaches the threshold. */
function atLeast(b: GraphBuilder, shares: string, threshold: number): string {
  const second = b.node('Gather', [shares, b.int64(1n)], { axis: { int: 1 } });
  return b.node('Cast', [b.node('GreaterOrEqual', [second, b.float(threshold)])], { to: { int: INT64 } });
}
