/** Tensor element types by their Open Inference Protocol names. */
export const DATATYPES = ['BOOL', 'INT8', 'INT16', 'INT32', 'INT64', 'UINT8', 'FP32', 'FP64', 'BYTES'] as const;
export type Datatype = (typeof DATATYPES)[number];

/** How a plain value of a named row becomes a tensor element. */
export type Semantic = 'NUMERIC' | 'CATEGORICAL' | 'TIMESTAMP_MS';

/** One input or output of a model. */
export interface TensorSpec {
  name: string;
  datatype: Datatype;
  /** -1 stands for any length; the first dimension is the batch. */
  shape: number[];
  semantic?: Semantic;
}

/** What a model takes and gives. */
export interface Signature {
  inputs: TensorSpec[];
  outputs: TensorSpec[];
}

export type TensorData = Float32Array | Float64Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array | string[];

/** `data` is row-major and holds as many elements as the product of `shape`. BYTES are UTF-8 strings. */
export interface Tensor {
  name: string;
  datatype: Datatype;
  shape: number[];
  data: TensorData;
}
