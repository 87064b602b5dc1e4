import type { ColumnReading } from './dataset-schema.js';

/** Tensor element types by their Open Inference Protocol names. */
export const DATATYPES = ['BOOL', 'INT8', 'INT16', 'INT32', 'INT64', 'UINT8', 'FP32', 'FP64', 'BYTES'] as const;
export type Datatype = (typeof DATATYPES)[number];

/** How a plain value of a named row becomes a tensor element. */
export type Semantic = 'NUMERIC' | 'CATEGORICAL' | 'TIMESTAMP_MS';

/** The column that fills one element of an input. */
export interface InputColumn extends ColumnReading {
  /** Those that the model knows, in the spelling of the file; absent when nobody recorded them. */
  categories?: string[];
}

/** What an output is. SCORES are decision values, which need not lie between 0 and 1. */
export type OutputMeaning = 'LABEL' | 'CLUSTER' | 'PROBABILITIES' | 'SCORES' | 'DISTANCES';

/** One input or output of a model. */
export interface TensorSpec {
  name: string;
  datatype: Datatype;
  /** -1 stands for any length; the first dimension is the batch. */
  shape: number[];
  semantic?: Semantic;
  /** Inputs: the columns that fill the elements of a row, in order. Absent: one column of the input's own name. */
  columns?: InputColumn[];
  /** Inputs: NaN stands for a missing value: declared, or found by trying at registration. */
  acceptsMissing?: boolean;
  /** Outputs: what it is, as the graph or a trial told; absent when neither did. */
  meaning?: OutputMeaning;
}

/**
 * Whether requests may run in one batch: only where the graph shows that a row's answer cannot depend on its
 * neighbours.
 */
export interface RowIndependence {
  proven: boolean;
  /** What stands in the way, for people: the first operator that joins rows. Null when proven. */
  reason: string | null;
}

/** Signature: inputs and outputs of a model. */
export interface Signature {
  inputs: TensorSpec[];
  outputs: TensorSpec[];
  /** Of a classifier: the class of each probability, in order, as the training file spells it. */
  classes?: string[];
  /** Of two classes: the label is the second one from this probability on; the more probable one when absent. */
  decisionThreshold?: number;
  rowIndependence?: RowIndependence;
}

export type TensorData =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array
  | string[];

/** `data` is row-major and holds as many elements as the product of `shape`. BYTES are UTF-8 strings. */
export interface Tensor {
  name: string;
  datatype: Datatype;
  shape: number[];
  data: TensorData;
}
