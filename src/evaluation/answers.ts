import { toTensors } from '../domain/tracking/dataset-column.js';
import type { Tensor, TensorSpec } from '../domain/serving/tensor.js';
import type { Task } from '../domain/training/training-config.js';
import { AppError, ErrorCode } from '../errors.js';
import type { InferenceEngine } from '../inference/port.js';
import type { JudgedRows } from './judged-rows.js';
import type { ModelFile } from './port.js';

export type Answers =
  /** rows × classCount. */
  | { task: 'CLASSIFICATION'; probabilities: Float32Array; classCount: number }
  | { task: 'REGRESSION'; predicted: Float64Array }
  /** rows × clusterCount. */
  | { task: 'CLUSTERING'; distances: Float32Array; clusterCount: number };

/** Longer than any set of rows that fits the memory takes. */
const DEADLINE_MS = 30 * 60_000;

/** The model's answers for the rows, by the outputs that its task needs. Errors: INVALID_TENSOR when model and rows do not fit. */
export async function answersOf(engine: InferenceEngine, modelId: string, model: ModelFile, rows: JudgedRows): Promise<Answers> {
  await engine.load({ modelId, path: model.path });
  const { outputs } = await engine.infer(modelId, toTensors(rows.columns, model.signature, rows.rowNumbers), { deadlineMs: DEADLINE_MS });
  const output = outputs.find(({ name }) => name === outputFor(rows.task, model.signature.outputs).name)!;
  const perRow = output.data.length / rows.rowCount;
  const values = numbersOf(output, rows.rowCount);
  switch (rows.task) {
    case 'CLASSIFICATION':
      return { task: rows.task, probabilities: Float32Array.from(values), classCount: perRow };
    case 'REGRESSION':
      return { task: rows.task, predicted: Float64Array.from(values) };
    case 'CLUSTERING':
      return { task: rows.task, distances: Float32Array.from(values), clusterCount: perRow };
  }
}

const OUTPUT_NAMES: Record<Task, string> = { CLASSIFICATION: 'probabilities', REGRESSION: 'prediction', CLUSTERING: 'distances' };

/** The output of the conventional name, or the only one of its shape. */
function outputFor(task: Task, outputs: readonly TensorSpec[]): TensorSpec {
  const wide = task !== 'REGRESSION';
  const fitting = outputs.filter(({ datatype, shape }) => {
    const perRow = shape.slice(1).reduce((product, size) => product * size, 1);
    return (
      (datatype === 'FP32' || datatype === 'FP64') &&
      shape.length <= 2 &&
      (wide ? shape.length === 2 && (perRow > 1 || perRow < 0) : perRow === 1)
    );
  });
  const found = fitting.find(({ name }) => name === OUTPUT_NAMES[task]) ?? (fitting.length === 1 ? fitting[0] : undefined);
  if (found) return found;
  const expected = `an output ${OUTPUT_NAMES[task]} of FP32, ${wide ? 'more than one value' : 'one value'} per row`;
  const got = outputs.map(({ name, datatype, shape }) => `${name} ${datatype} [${shape.join(', ')}]`).join('; ');
  throw new AppError(ErrorCode.INVALID_TENSOR, `The model cannot be judged as ${task}: expected ${expected}, got ${got}.`, {
    field: 'outputs',
    expected,
    got,
  });
}

function numbersOf({ name, data }: Tensor, rowCount: number): Float32Array | Float64Array {
  if (!(data instanceof Float32Array) && !(data instanceof Float64Array)) throw new Error('outputFor takes floating point only');
  const odd = data.findIndex((value) => !Number.isFinite(value));
  if (data.length % rowCount === 0 && odd < 0) return data;
  const got = odd < 0 ? `${data.length} values for ${rowCount} rows` : `${data[odd]} for row ${Math.floor((odd * rowCount) / data.length)}`;
  throw new AppError(ErrorCode.INVALID_TENSOR, `Output ${name}: expected a finite number for every row, got ${got}.`, {
    field: name,
    expected: 'finite numbers',
    got,
  });
}
