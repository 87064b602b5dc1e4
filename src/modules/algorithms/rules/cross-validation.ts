import { z } from 'zod';
import { badInput } from '../../../errors.js';
import { finiteOrNull, numberIn, recordOf, type InputRange } from '../../core/index.js';
import type { ColumnSchema } from '../../model-contract/index.js';

/** How the rows are divided into folds. */
export const CROSS_VALIDATIONS = ['K_FOLD', 'STRATIFIED', 'GROUPED', 'TIME'] as const;
export type CrossValidationBy = (typeof CROSS_VALIDATIONS)[number];

export const FOLDS = { min: 2, max: 100, unit: 'folds' } satisfies InputRange;
/** As in scikit-learn. */
const DEFAULT_FOLDS = 5;

const folds = numberIn(FOLDS, z.int()).default(DEFAULT_FOLDS);

/** Rows outside the holdout are divided into folds; each fold is measured once, by a model of other rows. */
export const crossValidationSchema = z.discriminatedUnion('by', [
  /** A shuffle with the seed. */
  z.strictObject({ by: z.literal('K_FOLD'), folds }),
  /** A shuffle with the seed; each fold has the same share of each class. */
  z.strictObject({ by: z.literal('STRATIFIED'), folds }),
  /** Rows with the same value in the column are in the same fold. */
  z.strictObject({ by: z.literal('GROUPED'), folds, column: z.string() }),
  /** Each fold is later than the rows that its model learns from. Without a column: that of a split by TIME. */
  z.strictObject({ by: z.literal('TIME'), folds, column: z.string().optional() }),
]);
export type CrossValidation = z.infer<typeof crossValidationSchema>;

/** The result of one fold. */
export const foldResultSchema = z.object({
  /** Counts from 1. */
  fold: z.int().min(1),
  /** Rows to learn from, rows that watch the learning (early stopping, decision threshold), and measured rows. */
  rows: z.object({ train: z.int(), watched: z.int(), validation: z.int() }),
  /** Metrics of the measured rows, by short names, e.g. `log_loss`. */
  metrics: recordOf(finiteOrNull),
});
export type FoldResult = z.output<typeof foldResultSchema>;

export const crossValidationResultSchema = z.object({
  by: z.enum(CROSS_VALIDATIONS),
  folds: z.array(foldResultSchema),
  /** Rows without a group or a time, which are in no fold. */
  leftOut: z.int(),
});
export type CrossValidationResult = z.output<typeof crossValidationResultSchema>;

/** Mean and standard deviation of a metric over the folds that have it. */
export interface FoldSummary {
  name: string;
  mean: number;
  std: number;
}

/** The standard deviation is that of the folds themselves, as scikit-learn computes it (divided by their number). */
export function summarizeFolds(results: readonly Pick<FoldResult, 'metrics'>[]): FoldSummary[] {
  const byName = new Map<string, number[]>();
  for (const { metrics } of results)
    for (const [name, value] of Object.entries(metrics))
      if (value !== null) byName.set(name, [...(byName.get(name) ?? []), value]);
  return Array.from(byName, ([name, values]) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    return { name, mean, std: Math.sqrt(squares / values.length) };
  });
}

/** The metrics of a run after one more fold: those of the fold, and mean and deviation of all folds so far. */
export function foldMetrics(results: readonly Pick<FoldResult, 'metrics'>[]): Record<string, number> {
  const last = Object.entries(results.at(-1)?.metrics ?? {}).filter(
    (entry): entry is [string, number] => entry[1] !== null,
  );
  const summary = summarizeFolds(results).flatMap(({ name, mean, std }): [string, number][] => [
    [`${name}.mean`, mean],
    [`${name}.std`, std],
  ]);
  return Object.fromEntries([...last, ...summary].map(([name, value]) => [`cross_validation.${name}`, value]));
}

const FIELD = 'config.crossValidation';

/** The column that a cross-validation reads; `splitColumn` is that of a split by TIME. */
export function foldColumnOf(
  crossValidation: CrossValidation | undefined,
  splitColumn: string | undefined,
): string | undefined {
  if (crossValidation?.by === 'GROUPED') return crossValidation.column;
  return crossValidation?.by === 'TIME' ? (crossValidation.column ?? splitColumn) : undefined;
}

export interface FoldFacts {
  task: 'CLASSIFICATION' | 'REGRESSION' | 'CLUSTERING';
  target: string | undefined;
  features: readonly { column: string }[];
  /** The column of a split by TIME. */
  splitColumn: string | undefined;
  columnAt(field: string, name: string): ColumnSchema;
}

/** Checks what is known before the rows are read. Errors: BAD_USER_INPUT, which names the field. */
export function checkCrossValidation(crossValidation: CrossValidation, facts: FoldFacts): void {
  const { by, folds: count } = crossValidation;
  if (by === 'STRATIFIED' && facts.task !== 'CLASSIFICATION')
    throw badInput(`${FIELD}.by`, 'K_FOLD, GROUPED or TIME, as only classes can be stratified', by);
  const name = foldColumnOf(crossValidation, facts.splitColumn);
  if (by === 'TIME' && name === undefined)
    throw badInput(`${FIELD}.column`, 'a TIMESTAMP column, as the split has none', 'nothing');
  if (name === undefined) return;
  const column = facts.columnAt(`${FIELD}.column`, name);
  if (by === 'TIME') {
    if (column.type !== 'TIMESTAMP')
      throw badInput(`${FIELD}.column`, 'a TIMESTAMP column', `${name} (${column.type})`);
    return;
  }
  if (name === facts.target) throw badInput(`${FIELD}.column`, 'a column other than the target', name);
  const feature = facts.features.findIndex((one) => one.column === name);
  if (feature >= 0)
    throw badInput(`config.features[${feature}].column`, 'a column other than the one that groups the folds', name);
  if (column.distinctCount < count) throw tooManyFolds(`${column.distinctCount} groups of ${name}`, count);
}

/** `of` says what there is less of: rows, groups, members of a class. */
export function tooManyFolds(of: string, asked: number): Error {
  return badInput(`${FIELD}.folds`, `at most the number of ${of}`, asked);
}
