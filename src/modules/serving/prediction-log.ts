import { v7 as uuidv7 } from 'uuid';
import type { LoggedAnswers } from '../../db/entities/serving/prediction-log.entity.js';
import type { Database } from '../../db/database.js';
import { loggedText, type Tensor, type TensorSpec, plainValues } from '../model-contract/index.js';
import type { Answers } from './rules/answers.js';
import { addLogRows, type LogRow } from './stores/prediction-log.js';
import { AppError, ErrorCode } from '../../errors.js';

/** One answered or failed request that may be logged. */
export interface LoggedPrediction {
  tenant: string;
  endpointId: string;
  deploymentId: string;
  modelVersionId: string;
  mode: 'LIVE' | 'SHADOW';
  requestId: string;
  rows: number;
  latencyMs: number;
  errorCode: string | null;
  inputs: readonly Tensor[];
  /** Names of columns and inputs that are left out. */
  redactedFields: readonly string[];
  /** The inputs of the version: which columns fill each of them. */
  specs: readonly TensorSpec[];
  scores: Float64Array;
  /** Null for a request that failed. */
  answers: Answers | null;
  /** Set at the first attempt to write it, so that a repeated write does not store it twice. */
  id?: string;
}

/** Number of rows of a request that are logged: the first ones. */
const MAX_ROWS_PER_REQUEST = 1_000;
/** Limit of elements of one input in one row. */
const MAX_VALUES_PER_ROW = 64;
const MAX_WAITING_REQUESTS = 5_000;
const MAX_WAITING_VALUES = 1_000_000;
const REQUESTS_PER_STATEMENT = 250;

/** The sampled requests that wait to be logged: limited in memory, written in bulk in the background. */
export class PredictionLogBuffer {
  private waiting: LoggedPrediction[] = [];
  private waitingValues = 0;
  /** Requests that found the buffer full, or that the database refused. */
  dropped = 0;

  constructor(
    private readonly db: Database,
    private readonly onDropped: (prediction: LoggedPrediction) => void,
  ) {}

  get size(): number {
    return this.waiting.length;
  }

  offer(prediction: LoggedPrediction): void {
    const values = valuesOf(prediction);
    if (this.waiting.length >= MAX_WAITING_REQUESTS || this.waitingValues + values > MAX_WAITING_VALUES) {
      this.drop([prediction]);
      return;
    }
    this.waiting.push(prediction);
    this.waitingValues += values;
  }

  /** Writes the waiting requests. While the database is away they wait for the next call, within the same limits. */
  async flush(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.waiting.slice(0, REQUESTS_PER_STATEMENT);
      const refusal = await this.write(batch).then(
        () => null,
        (error: unknown) => error,
      );
      if (refusal instanceof AppError && refusal.code === ErrorCode.UNAVAILABLE) throw refusal;
      this.waiting.splice(0, batch.length);
      for (const prediction of batch) this.waitingValues -= valuesOf(prediction);
      if (refusal) {
        // A batch that the database refuses would be refused again, and would block all later ones.
        this.drop(batch);
        throw refusal;
      }
      // Lets other work of the event loop run in between.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  private drop(predictions: readonly LoggedPrediction[]): void {
    this.dropped += predictions.length;
    predictions.forEach(this.onDropped);
  }

  private async write(batch: readonly LoggedPrediction[]): Promise<void> {
    await this.db.asSystem((em) => addLogRows(em, batch.map(toRow)));
  }
}

function toRow(prediction: LoggedPrediction): LogRow {
  const {
    inputs: _inputs,
    redactedFields: _fields,
    specs: _specs,
    scores,
    answers,
    id = uuidv7(),
    ...row
  } = prediction;
  prediction.id = id;
  const rows = loggedRows(prediction);
  return {
    ...row,
    id,
    rows,
    inputs: inputColumns(prediction),
    scores: Array.from(scores.subarray(0, rows)),
    answers: answers && loggedAnswers(prediction, answers),
  };
}

function loggedRows({ rows }: LoggedPrediction): number {
  return Math.min(rows, MAX_ROWS_PER_REQUEST);
}

function valuesOf({ inputs, scores, answers, rows }: LoggedPrediction): number {
  const answered = answers?.kind === 'CLASSES' ? rows * Math.max(1, answers.classCount) : 0;
  return inputs.reduce((sum, { data }) => sum + data.length, scores.length + answered);
}

function loggedAnswers(prediction: LoggedPrediction, answers: Answers): LoggedAnswers {
  if (answers.kind !== 'CLASSES') return { kind: answers.kind };
  const rows = loggedRows(prediction);
  const labels = Array.from({ length: rows }, (_, row) => loggedText(String(answers.labels[row])));
  const { probabilities, classCount } = answers;
  if (!probabilities || classCount <= 2 || classCount > MAX_VALUES_PER_ROW)
    return { kind: answers.kind, labels, classCount };
  const likely = Array.from({ length: rows }, (_, row) =>
    Array.from(probabilities.subarray(row * classCount, (row + 1) * classCount)),
  );
  return { kind: answers.kind, labels, classCount, probabilities: likely };
}

/**
 * One array per column with an entry per row. Several elements per row without column names become arrays. NaN becomes
 * null. Redacted ones are left out.
 */
function inputColumns(prediction: LoggedPrediction): Record<string, unknown[]> {
  const rows = loggedRows(prediction);
  const { redactedFields } = prediction;
  // The version in the shadow may have other names for the same values.
  if (prediction.mode === 'SHADOW' && redactedFields.length > 0) return {};
  const isShown = ([name]: [string, unknown[]]) => !redactedFields.includes(name);
  return Object.fromEntries(
    prediction.inputs.flatMap((tensor): [string, unknown[]][] => {
      if (redactedFields.includes(tensor.name)) return [];
      const perRow = tensor.data.length / prediction.rows;
      const values = plainValues({ ...tensor, data: tensor.data.slice(0, rows * perRow) }).map((value) =>
        typeof value === 'string' ? loggedText(value) : value,
      );
      const columns = prediction.specs.find(({ name }) => name === tensor.name)?.columns;
      if (columns?.length === perRow)
        return columns
          .map(({ name }, offset): [string, unknown[]] => [
            name,
            Array.from({ length: rows }, (_, row) => values[row * perRow + offset]),
          ])
          .filter(isShown);
      // Nobody can tell which of these values are redacted.
      if (columns && redactedFields.length > 0) return [];
      if (perRow === 1) return [[tensor.name, values]];
      const cut = Math.min(perRow, MAX_VALUES_PER_ROW);
      return [[tensor.name, Array.from({ length: rows }, (_, row) => values.slice(row * perRow, row * perRow + cut))]];
    }),
  );
}
