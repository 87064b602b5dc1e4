import { z } from 'zod';
import type { Datatype, InputColumn, Signature, TensorSpec, ColumnType } from '../../model-contract/index.js';

/** A folder of files that a client has logged: below a path ('' for all) of a run or of a logged model. */
export interface SourceFolder {
  owner: { runId: string } | { loggedModelId: string };
  path: string;
}

/** What the MLmodel file of a logged model says about it. */
export interface LoggedFiles {
  /** The library that made it, by MLflow's name; `pyfunc` when it is only Python code. Null without any flavor. */
  framework: string | null;
  /** Null when it was logged without one. */
  signature: Signature | null;
  /** The columns that its signature names, in the order of the model; null when it names none, e.g. for tensors. */
  columns: InputColumn[] | null;
  /** Its model.onnx, relative to the MLmodel file. */
  onnxPath: string | null;
}

/** A text that PostgreSQL can store. */
const text = z
  .string()
  .max(10_000)
  .refine((value) => value.isWellFormed() && !value.includes('\0'));
const flavor = z.record(text, z.unknown());
const mlmodel = z.object({
  flavors: z.record(text, flavor.nullable()).nullish(),
  signature: z.object({ inputs: text.nullish(), outputs: text.nullish() }).nullish(),
});

const field = z.object({
  name: text.optional(),
  type: z.unknown(),
  'tensor-spec': z.object({ dtype: text, shape: z.array(z.int()).max(16) }).optional(),
});
const fields = z.array(field).max(10_000);

/** Libraries whose flavor says more than other flavors in the same file. */
const LIBRARIES = [
  'sklearn',
  'xgboost',
  'lightgbm',
  'catboost',
  'pytorch',
  'tensorflow',
  'keras',
  'onnx',
  'statsmodels',
  'spark',
  'transformers',
];
const PYTHON = 'python_function';

/**
 * What a parsed MLmodel file says. If it has another form, nothing is taken from it, because any client may have
 * written it.
 */
export function readMlmodel(parsed: unknown): LoggedFiles {
  const { data } = mlmodel.safeParse(parsed);
  const flavors = data?.flavors ?? {};
  const names = Object.keys(flavors);
  const library = LIBRARIES.find((name) => names.includes(name)) ?? names.find((name) => name !== PYTHON);
  const onnx = z.object({ data: text }).safeParse(flavors['onnx']);
  return {
    framework: library ?? (names.includes(PYTHON) ? 'pyfunc' : null),
    signature: toSignature(data?.signature?.inputs, data?.signature?.outputs),
    columns: toColumns(data?.signature?.inputs),
    onnxPath: onnx.success ? onnx.data.data : null,
  };
}

function toSignature(inputs: string | null | undefined, outputs: string | null | undefined): Signature | null {
  const [given, answered] = [toSpecs(inputs, 'input'), toSpecs(outputs, 'output')];
  return given && { inputs: given, outputs: answered ?? [] };
}

/** Reads both kinds of MLflow's schemas: columns of a table, and tensors. */
function toSpecs(json: string | null | undefined, prefix: string): TensorSpec[] | null {
  if (json == null) return null;
  const parsed = fields.safeParse(parseJson(json));
  if (!parsed.success) return null;
  return parsed.data.map(({ name, type, 'tensor-spec': tensor }, i) => ({
    name: name ?? `${prefix}_${i}`,
    datatype: tensor ? toDatatype(tensor.dtype) : toDatatype(type),
    shape: tensor?.shape ?? [-1],
  }));
}

function toColumns(json: string | null | undefined): InputColumn[] | null {
  if (json == null) return null;
  const parsed = fields.safeParse(parseJson(json));
  if (!parsed.success || parsed.data.length === 0) return null;
  const columns = parsed.data.map(({ name, type, 'tensor-spec': tensor }) => {
    const columnType = tensor || typeof type !== 'string' ? undefined : COLUMN_TYPES.get(type);
    return name && columnType ? { name, type: columnType } : null;
  });
  return columns.every((column) => column !== null) ? columns : null;
}

/** By the names of MLflow. */
const COLUMN_TYPES = new Map<string, ColumnType>([
  ['boolean', 'BOOLEAN'],
  ['integer', 'NUMBER'],
  ['long', 'NUMBER'],
  ['float', 'NUMBER'],
  ['double', 'NUMBER'],
  ['string', 'STRING'],
  ['datetime', 'TIMESTAMP'],
]);

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

/** Types without an equivalent here become BYTES: texts, dates, objects. */
function toDatatype(type: unknown): Datatype {
  switch (type) {
    case 'boolean':
    case 'bool':
      return 'BOOL';
    case 'int8':
      return 'INT8';
    case 'int16':
      return 'INT16';
    case 'integer':
    case 'int32':
      return 'INT32';
    case 'long':
    case 'int64':
      return 'INT64';
    case 'uint8':
      return 'UINT8';
    case 'float':
    case 'float32':
      return 'FP32';
    case 'double':
    case 'float64':
      return 'FP64';
    default:
      return 'BYTES';
  }
}
