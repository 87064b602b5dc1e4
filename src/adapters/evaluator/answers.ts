import { bothProbabilities, judgedOutput, toTensors, type Tensor } from '../../modules/model-contract/index.js';
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
  const output = outputs.find(({ name }) => name === judgedOutput(rows.task, model.signature.outputs).name)!;
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

function numbersOf({ name, data }: Tensor, rowCount: number): Float32Array | Float64Array {
  if (!(data instanceof Float32Array) && !(data instanceof Float64Array))
    throw new Error('judgedOutput takes floating point only');
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
