import { categoryAt, columnNames, sameClass, inputRequests } from '../../modules/model-contract/index.js';
import {
  type EvaluationReport,
  evaluateClassification,
  evaluateClustering,
  evaluateRegression,
  type SliceColumns,
} from '../../modules/model-quality/index.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { InferenceEngine, ModelSource } from '../../inference/port.js';
import { type Answers, answersOf, type ClassAnswers } from './answers.js';
import { classesToEvaluate, inOrder } from './classes.js';
import { type EvaluatedRows, loadEvaluatedRows } from './evaluated-rows.js';
import { referenceOf } from './reference.js';
import type { EvaluationOutcome, EvaluationRequest, EvaluationData, ModelFile } from './port.js';

const MAX_SLICE_COLUMNS = 10;
/** A column with more different values gives too many slices for a reader. */
const MAX_SLICE_VALUES = 500;

export async function evaluate(
  request: EvaluationRequest,
  engine: InferenceEngine<ModelSource>,
): Promise<EvaluationOutcome> {
  const { candidate, baseline, data } = request;
  const inputs = [candidate, ...(baseline ? [baseline] : [])].flatMap(({ signature }) => inputRequests(signature));
  let rows: EvaluatedRows;
  let baselineProblem: string | null = null;
  try {
    rows = await loadEvaluatedRows(data, inputs);
  } catch (error) {
    // The rows may still have all columns of the candidate.
    if (!baseline || !isMismatch(error)) throw error;
    baselineProblem = error.message;
    rows = await loadEvaluatedRows(data, inputRequests(candidate.signature));
  }
  const answers = await answersOf(engine, 'candidate', candidate, rows);
  let baselineAnswers: { versionId: string; answers: Answers } | undefined;
  if (baseline && baselineProblem === null && answers.task !== 'CLUSTERING') {
    try {
      const theirs = await answersOf(engine, 'baseline', baseline, rows);
      if (theirs.task === 'CLASSIFICATION' && answers.task === 'CLASSIFICATION')
        inOrder(theirs, classesOf(data, rows, answers));
      baselineAnswers = { versionId: baseline.versionId, answers: theirs };
    } catch (error) {
      if (!isMismatch(error)) throw error;
      baselineProblem = error.message;
    }
  }
  const report = reportOf(request, rows, answers, baselineAnswers);
  const reference = data.kind === 'ALL' ? referenceOf(candidate.signature, rows, answers) : null;
  return { report, baselineProblem, reference };
}

function reportOf(
  { candidate, data, baseline: baselineFile }: EvaluationRequest,
  rows: EvaluatedRows,
  answers: Answers,
  baseline?: { versionId: string; answers: Answers },
): EvaluationReport {
  const slices = sliceColumnsOf(candidate, rows);
  const { target, baseRate } = rows;
  switch (answers.task) {
    case 'CLASSIFICATION': {
      if (target?.kind !== 'CLASSES' || baseRate?.kind !== 'SHARES')
        throw new Error('classes need a target of classes');
      const classes = classesOf(data, rows, answers);
      return evaluateClassification({
        labels: target.labels,
        probabilities: inOrder(answers, classes),
        threshold: thresholdOf(candidate, classes),
        classNames: classNamesOf(data, classes),
        // A class without training rows has an expected probability of 0.
        trainingShares: classes.map((_, i) => baseRate.shares[i] ?? 0),
        slices,
        ...(baseline?.answers.task === 'CLASSIFICATION' && {
          baseline: {
            versionId: baseline.versionId,
            probabilities: inOrder(baseline.answers, classes),
            threshold: baselineFile ? thresholdOf(baselineFile, classes) : undefined,
          },
        }),
      });
    }
    case 'REGRESSION': {
      if (target?.kind !== 'VALUES' || baseRate?.kind !== 'MEAN') throw new Error('values need a target of values');
      return evaluateRegression({
        actual: target.values,
        predicted: answers.predicted,
        trainingMean: baseRate.mean,
        slices,
        ...(baseline?.answers.task === 'REGRESSION' && {
          baseline: { versionId: baseline.versionId, predicted: baseline.answers.predicted },
        }),
      });
    }
    case 'CLUSTERING': {
      const { clusters, inertia } = nearestOf(answers, rows.rowCount);
      return evaluateClustering({ rows: rows.rowCount, silhouette: rows.silhouetteOf(clusters), inertia });
    }
  }
}

function nearestOf(
  { distances, clusterCount }: Extract<Answers, { task: 'CLUSTERING' }>,
  rowCount: number,
): { clusters: Int32Array; inertia: number } {
  const clusters = new Int32Array(rowCount);
  let inertia = 0;
  for (let row = 0; row < rowCount; row++) {
    const own = distances.subarray(row * clusterCount, (row + 1) * clusterCount);
    const nearest = own.reduce((best, distance, k) => (distance < own[best]! ? k : best), 0);
    clusters[row] = nearest;
    inertia += own[nearest]! ** 2;
  }
  return { clusters, inertia };
}

/** The categories among the model's inputs. */
function sliceColumnsOf({ signature }: ModelFile, rows: EvaluatedRows): SliceColumns {
  const slices = new Map<string, (string | null)[]>();
  const texts = signature.inputs
    .filter(({ datatype }) => datatype === 'BYTES')
    .flatMap((spec) => columnNames(spec) ?? []);
  for (const name of texts) {
    const column = rows.columns.get(name);
    if (!column || slices.size >= MAX_SLICE_COLUMNS) continue;
    const values = Array.from({ length: rows.rowCount }, (_, row) => categoryAt(column, row) || null);
    if (new Set(values).size <= MAX_SLICE_VALUES) slices.set(name, values);
  }
  return Object.fromEntries(slices);
}

/**
 * The threshold is for the model's second class. It is the second class here too, unless the rows order the classes
 * differently.
 */
function thresholdOf({ signature }: ModelFile, [, second]: readonly string[]): number | undefined {
  const own = signature.classes?.[1];
  return own === undefined || second === undefined || sameClass(own, second) ? signature.decisionThreshold : undefined;
}

/** The names of the two classes of a threshold say what they mean. */
function classNamesOf(data: EvaluationData, classes: readonly string[]): string[] {
  const target = data.kind === 'ALL' ? data.target : data.config.target;
  if (target?.greaterThan === undefined) return [...classes];
  return [`${target.column} ≤ ${target.greaterThan}`, `${target.column} > ${target.greaterThan}`];
}

function classesOf(data: EvaluationData, { target }: EvaluatedRows, answers: ClassAnswers): string[] {
  if (target?.kind !== 'CLASSES') throw new Error('classes need a target of classes');
  const of = data.kind === 'ALL' ? data.target : data.config.target;
  const sameOrder = data.kind === 'HOLDOUT' || data.target.greaterThan !== undefined;
  return classesToEvaluate(target, answers, { sameOrder, column: of?.column ?? '' });
}

function isMismatch(error: unknown): error is AppError {
  return (
    error instanceof AppError && (error.code === ErrorCode.INVALID_TENSOR || error.code === ErrorCode.BAD_USER_INPUT)
  );
}
