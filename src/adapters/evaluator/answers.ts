import { bothProbabilities, toTensors, type Tensor, type TensorSpec } from '../../modules/model-contract/index.js';
import type { Task } from '../../modules/algorithms/index.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { InferenceEngine, ModelSource } from '../../inference/port.js';
import type { EvaluatedRows } from './evaluated-rows.js';
import type { ModelFile } from './port.js';

export interface ClassAnswers {
  task: 'CLASSIFICATION';
  /** rows × classCount. */
  probabilities: Float32Array;
  classCount: number;
  /** The class of each probability; null when the signature does not name it. */
  classes: readonly string[] | null;
  /** Name of the output. */
  output: string;
}

export type Answers =
  | ClassAnswers
  | { task: 'REGRESSION'; predicted: Float64Array }
  /** rows × clusterCount. */
  | { task: 'CLUSTERING'; distances: Float32Array; clusterCount: number };

/** Longer than any set of rows that fits in memory needs. */
const DEADLINE_MS = 30 * 60_000;

/**
 * The model's answers for the rows, from the outputs that its task needs. Errors: INVALID_TENSOR when model and rows do
 * not match.
 */
export async function answersOf(
  engine: InferenceEngine<ModelSource>,
  modelId: string,
  model: ModelFile,
  rows: EvaluatedRows,
): Promise<Answers> {
  await engine.load({ modelId, path: model.path });
  const { outputs } = await engine.infer(modelId, toTensors(rows.columns, model.signature, rows.rowNumbers), {
    deadlineMs: DEADLINE_MS,
  });
  const output = outputs.find(({ name }) => name === outputFor(rows.task, model.signature.outputs).name)!;
  const perRow = output.data.length / rows.rowCount;
  const values = numbersOf(output, rows.rowCount);
  switch (rows.task) {
    case 'CLASSIFICATION':
      return {
        task: rows.task,
        probabilities: Float32Array.from(perRow === 1 ? bothProbabilities(values) : values),
        classCount: Math.max(2, perRow),
        classes: model.signature.classes ?? null,
        output: output.name,
      };
    case 'REGRESSION':
      return { task: rows.task, predicted: Float64Array.from(values) };
    case 'CLUSTERING':
      return { task: rows.task, distances: Float32Array.from(values), clusterCount: perRow };
  }
}

const OUTPUT_NAMES: Record<Task, string> = {
  CLASSIFICATION: 'probabilities',
  REGRESSION: 'prediction',
  CLUSTERING: 'distances',
};

/** The output with the conventional name, or the only one with the right shape. */
function outputFor(task: Task, outputs: readonly TensorSpec[]): TensorSpec {
  const wide = task !== 'REGRESSION';
  const unfit = { CLASSIFICATION: 'DISTANCES', CLUSTERING: 'PROBABILITIES', REGRESSION: 'LABEL' }[task];
  const floats = outputs.filter(
    ({ datatype, shape, meaning }) =>
      (datatype === 'FP32' || datatype === 'FP64') && shape.length <= 2 && meaning !== unfit,
  );
  const several = floats.filter(({ shape }) => shape.length === 2 && shape[1] !== 1);
  const single = floats.filter(({ shape }) => shape.slice(1).every((size) => size === 1));
  // When it is the only output, it is the probability of the second of two classes.
  const isBinary = task === 'CLASSIFICATION' && several.length === 0 && outputs.length === 1;
  const fitting = wide && !isBinary ? several : single;
  const found =
    fitting.find(({ name }) => name === OUTPUT_NAMES[task]) ?? (fitting.length === 1 ? fitting[0] : undefined);
  if (found) return found;
  const values =
    task === 'CLASSIFICATION' ? 'a probability for each class' : wide ? 'more than one value' : 'one value';
  const expected = `an output ${OUTPUT_NAMES[task]} of FP32, ${values} per row`;
  const got = outputs.map(({ name, datatype, shape }) => `${name} ${datatype} [${shape.join(', ')}]`).join('; ');
  throw new AppError(
    ErrorCode.INVALID_TENSOR,
    `The model cannot be judged as ${task}: expected ${expected}, got ${got}.`,
    {
      field: 'outputs',
      expected,
      got,
    },
  );
}

function numbersOf({ name, data }: Tensor, rowCount: number): Float32Array | Float64Array {
  if (!(data instanceof Float32Array) && !(data instanceof Float64Array))
    throw new Error('outputFor takes floating point only');
  const odd = data.findIndex((value) => !Number.isFinite(value));
  if (data.length % rowCount === 0 && odd < 0) return data;
  const got =
    odd < 0
      ? `${data.length} values for ${rowCount} rows`
      : `${data[odd]} for row ${Math.floor((odd * rowCount) / data.length)}`;
  throw new AppError(ErrorCode.INVALID_TENSOR, `Output ${name}: expected a finite number for every row, got ${got}.`, {
    field: name,
    expected: 'finite numbers',
    got,
  });
}
