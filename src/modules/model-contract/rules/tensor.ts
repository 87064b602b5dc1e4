import { z } from 'zod';
import { columnReadingSchema } from './dataset-schema.js';

/** Tensor element types, by their names in the Open Inference Protocol. */
export const DATATYPES = ['BOOL', 'INT8', 'INT16', 'INT32', 'INT64', 'UINT8', 'FP32', 'FP64', 'BYTES'] as const;
export type Datatype = (typeof DATATYPES)[number];

/** How a plain value of a named row becomes a tensor element. */
const SEMANTICS = ['NUMERIC', 'CATEGORICAL', 'TIMESTAMP_MS'] as const;

/** The column that fills one element of an input. */
const inputColumnSchema = columnReadingSchema.extend({
  /** The categories that the model knows, as the file spells them; absent when they were not recorded. */
  categories: z.array(z.string()).optional(),
});
export type InputColumn = z.infer<typeof inputColumnSchema>;

/** The meaning of an output. SCORES are decision values, which can be outside of 0 to 1. */
const OUTPUT_MEANINGS = ['LABEL', 'CLUSTER', 'PROBABILITIES', 'SCORES', 'DISTANCES'] as const;
export type OutputMeaning = (typeof OUTPUT_MEANINGS)[number];

/** One input or output of a model. */
const tensorSpecSchema = z.object({
  name: z.string(),
  datatype: z.enum(DATATYPES),
  /** -1 means any length; the first dimension is the batch. */
  shape: z.array(z.int()),
  semantic: z.enum(SEMANTICS).optional(),
  /** Inputs: the columns that fill the elements of a row, in order. Absent: one column with the input's own name. */
  columns: z.array(inputColumnSchema).optional(),
  /** Inputs: NaN means a missing value. It was declared, or found by a trial at registration. */
  acceptsMissing: z.boolean().optional(),
  /** Outputs: the meaning, from the graph or from a trial; absent when unknown. */
  meaning: z.enum(OUTPUT_MEANINGS).optional(),
});
export type TensorSpec = z.infer<typeof tensorSpecSchema>;

/**
 * Whether requests may run in one batch: only when the graph proves that the answer of a row cannot depend on other
 * rows.
 */
const rowIndependenceSchema = z.object({
  proven: z.boolean(),
  /** Why it is not proven, for people: the first operator that combines rows. Null when it is proven. */
  reason: z.string().nullable(),
});
export type RowIndependence = z.infer<typeof rowIndependenceSchema>;

/** Signature: inputs and outputs of a model. */
export const signatureSchema = z.object({
  inputs: z.array(tensorSpecSchema),
  outputs: z.array(tensorSpecSchema),
  /** For a classifier: the class of each probability, in order, as the training file spells it. */
  classes: z.array(z.string()).optional(),
  /** For two classes: the second one is predicted from this probability on; when absent, the more probable one. */
  decisionThreshold: z.number().optional(),
  rowIndependence: rowIndependenceSchema.optional(),
});
export type Signature = z.infer<typeof signatureSchema>;

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
