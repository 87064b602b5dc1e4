import {
  copiedRowsWarning,
  LEAK_RULES,
  targetLeakWarning,
  type TrainingConfig,
  type TrainingWarning,
} from '../modules/algorithms/index.js';
import { categoryAt, type Column } from '../modules/model-contract/index.js';
import { sampleIndices } from '../modules/statistics/index.js';
import { type ColumnValues, oneColumnScore } from './one-column-score.js';
import { repeatedRows } from './repeated-rows.js';
import type { TrainingRows } from './rows.js';
import { mergeRows } from './split.js';

/** Rows of the check of one column, at most; fewer when there are many columns. */
const SCORED_ROWS = 5_000;
const FEWEST_SCORED_ROWS = 1_000;
const SCORED_VALUES = 500_000;
/** Rows to learn from; the others measure. */
const FIT_SHARE = 2 / 3;
/** With fewer rows, a column can explain the target by chance. */
const ROWS_NEEDED = 30;
const COMPARED_TRAINING_ROWS = 100_000;
const COMPARED_VALUES = 2_000_000;
const CHECKED_ROWS = 5_000;

/** Looks for signs that the measurement on the holdout will be better than the model is. It never stops a training. */
export function checkLeaks(config: TrainingConfig, rows: TrainingRows): TrainingWarning[] {
  return [...targetLeaks(config, rows), ...copiedRows(config, rows)];
}

/** Features that tell the target alone, on training rows that they were not fitted to. */
function targetLeaks({ features, seed }: TrainingConfig, { columns, target, split }: TrainingRows): TrainingWarning[] {
  // The metrics of a model of one feature say the same.
  if (!target || features.length === 1) return [];
  const most = Math.max(FEWEST_SCORED_ROWS, Math.min(SCORED_ROWS, Math.floor(SCORED_VALUES / features.length)));
  const sample = sampleIndices(split.train.length, most, seed).map((i) => split.train[i]!);
  const fitted = sampleIndices(sample.length, Math.round(sample.length * FIT_SHARE), seed + 1);
  const isFitted = new Set(fitted);
  const fit = fitted.map((i) => sample[i]!);
  const measured = sample.filter((_, i) => !isFitted.has(i));
  if (measured.length < ROWS_NEEDED) return [];
  const threshold = target.kind === 'CLASSES' ? LEAK_RULES.classScore : LEAK_RULES.valueScore;
  return features.flatMap(({ column: name, kind }) => {
    const score = oneColumnScore(valuesOf(columns.get(name)!, kind), target, fit, measured);
    return score >= threshold ? [targetLeakWarning(name, target.kind, score, measured.length)] : [];
  });
}

function valuesOf(column: Column, kind: TrainingConfig['features'][number]['kind']): ColumnValues {
  if (column.type === 'STRING' || kind === 'CATEGORICAL')
    return { kind: 'CATEGORY', at: (row) => categoryAt(column, row) };
  const { values } = column;
  return { kind: 'NUMBER', at: (row) => (Number.isFinite(values[row]!) ? values[row]! : Number.NaN) };
}

/** Rows of validation and holdout that are copies of training rows. */
function copiedRows(config: TrainingConfig, { columns, split, rowNumbers }: TrainingRows): TrainingWarning[] {
  const names = [...config.features.map(({ column }) => column), ...(config.target ? [config.target.column] : [])];
  const mostTraining = Math.min(COMPARED_TRAINING_ROWS, Math.ceil(COMPARED_VALUES / names.length));
  const train = sampleIndices(split.train.length, mostTraining, config.seed).map((i) => split.train[i]!);
  const held = mergeRows(split.validation, split.holdout);
  const checked = sampleIndices(held.length, CHECKED_ROWS, config.seed).map((i) => held[i]!);
  const found = repeatedRows(
    names.map((name) => columns.get(name)!),
    train,
    checked,
  );
  const comparedShare = train.length / split.train.length;
  const needed = Math.max(LEAK_RULES.fewestCopies, LEAK_RULES.copiedShare * checked.length * comparedShare);
  if (
    found.pairs.length < needed ||
    found.agreement < LEAK_RULES.copyAgreement ||
    found.expectedByChance > LEAK_RULES.copiesByChance
  )
    return [];
  return [
    copiedRowsWarning(
      found.pairs.map(({ row, trainingRow }) => ({ row: rowNumbers[row]!, trainingRow: rowNumbers[trainingRow]! })),
      { checked: checked.length, compared: train.length },
    ),
  ];
}
