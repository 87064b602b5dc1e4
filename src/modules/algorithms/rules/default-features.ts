import { badInput } from '../../../errors.js';
import type { ColumnSchema, ColumnType, DatasetProfile } from '../../model-contract/index.js';
import { outputNamesOf } from './training-check.js';
import type { FeatureKind } from './algorithm.js';
import { algorithmOf } from './registry.js';
import type { TrainingConfig } from './training-config.js';
import { trainingWarning, type TrainingWarning } from './training-warnings.js';

const MOST_FEATURES = 1_000;
/**
 * If more than this fraction of the rows have a text that no other row has, the column is left out: names and ids are
 * like this.
 */
const UNIQUE_SHARE = 0.5;
/** Texts with as many words on average are sentences, which a model can read. */
const WORDS_OF_SENTENCES = 5;
/** With fewer rows, ids cannot be told from values. */
const MIN_ROWS_TO_DETECT_IDS = 20;
/**
 * Matches the names of columns with ids or row numbers. Camel case has its own pattern, because "paid" also ends with
 * "id".
 */
const ID_NAME = /^(unnamed: ?\d+|index|row(_?(id|number|num|nr|no))?|nr|no)$|(^|[_\- .])(id|uuid|guid)$/i;
const CAMEL_ID_NAME = /[a-z]I[dD]$/;

const KIND_OF: Record<ColumnType, FeatureKind> = {
  NUMBER: 'NUMERIC',
  BOOLEAN: 'CATEGORICAL',
  STRING: 'CATEGORICAL',
  TIMESTAMP: 'TIMESTAMP',
};

/**
 * All columns except the target whose values can help, and a warning for each column that is left out. Errors:
 * BAD_USER_INPUT when none is left.
 */
export function defaultFeatures(
  config: Pick<TrainingConfig, 'algorithm' | 'target' | 'split' | 'crossValidation' | 'sampleWeight'>,
  { columns, rowCount }: DatasetProfile,
): { features: TrainingConfig['features']; warnings: TrainingWarning[] } {
  const features: TrainingConfig['features'] = [];
  const warnings: TrainingWarning[] = [];
  for (const column of columns) {
    if (column.name === config.target?.column) continue;
    const reason =
      features.length >= MOST_FEATURES
        ? `there are ${MOST_FEATURES} features already`
        : uselessness(config, column, rowCount);
    if (reason === null)
      features.push({ column: column.name, kind: isProse(config, column, rowCount) ? 'TEXT' : KIND_OF[column.type] });
    else {
      const message = `Column ${JSON.stringify(column.name)} was left out, because ${reason}; name the features to have it.`;
      warnings.push(
        trainingWarning('COLUMN_LEFT_OUT', message, {
          distinctCount: column.distinctCount,
          missingCount: column.missingCount,
        }),
      );
    }
  }
  if (features.length > 0) return { features, warnings };
  const left = warnings.map(({ message }) => message).join(' ');
  throw badInput(
    'config.features',
    'a dataset with a column that can help to predict',
    left === '' ? 'none beside the target' : left,
  );
}

/** Whether a column has mostly different texts of many words, of which the algorithm can use the words. */
function isProse(
  { algorithm }: Pick<TrainingConfig, 'algorithm'>,
  { type, distinctCount, missingCount, meanWords = 0 }: ColumnSchema,
  rowCount: number,
): boolean {
  if (type !== 'STRING' || meanWords < WORDS_OF_SENTENCES) return false;
  return (
    distinctCount > UNIQUE_SHARE * (rowCount - missingCount) && algorithmOf(algorithm).featureKinds.includes('TEXT')
  );
}

function uselessness(
  {
    algorithm,
    split,
    crossValidation,
    sampleWeight,
  }: Pick<TrainingConfig, 'algorithm' | 'split' | 'crossValidation' | 'sampleWeight'>,
  column: ColumnSchema,
  rowCount: number,
): string | null {
  const { name, type, distinctCount, missingCount } = column;
  const known = rowCount - missingCount;
  const isText = type === 'STRING' || type === 'BOOLEAN';
  if (split.by === 'COLUMN' && split.column === name) return 'it says which part a row is in';
  if (crossValidation?.by === 'GROUPED' && crossValidation.column === name) return 'it groups the folds';
  if (sampleWeight?.column === name) return 'it says how much a row counts';
  if (name === '' || outputNamesOf(algorithm).includes(name)) return 'a model cannot have an input of this name';
  if (known === 0) return 'it has no value';
  // The absence of a text can be informative; a missing number is replaced by the column's only value.
  if (distinctCount <= 1 && !(isText && missingCount > 0)) return 'it has one value only';
  if (rowCount < MIN_ROWS_TO_DETECT_IDS) return null;
  if (type === 'STRING' && distinctCount > UNIQUE_SHARE * known && !isProse({ algorithm }, column, rowCount))
    return `most of its ${known} texts are different, as names and ids are`;
  if (type === 'NUMBER' && (ID_NAME.test(name) || CAMEL_ID_NAME.test(name)) && distinctCount > UNIQUE_SHARE * known)
    return 'its name and its values are those of an id';
  return null;
}
