import { badInput } from '../../../errors.js';
import type { ColumnSchema, ColumnType, DatasetProfile } from '../../model-contract/index.js';
import type { FeatureKind, Task } from './algorithm.js';
import { checkCrossValidation } from './cross-validation.js';
import { algorithmOf, type AlgorithmName, taskOf } from './registry.js';
import {
  isKMeans,
  isNetwork,
  isTrees,
  type NetworkConfig,
  quantileOf,
  type SplitConfig,
  type TrainingConfig,
} from './training-config.js';

export const MAX_CLASSES = 1000;
export const MIN_TRAINING_ROWS = 10;
const MIN_HELD_ROWS = 2;

/** Names of the outputs of the exported model. No input may have one of them. */
const OUTPUT_NAMES: Record<Task, readonly string[]> = {
  CLASSIFICATION: ['label', 'probabilities'],
  REGRESSION: ['prediction'],
  CLUSTERING: ['cluster', 'distances'],
};

export function outputNamesOf(algorithm: AlgorithmName): readonly string[] {
  return OUTPUT_NAMES[taskOf(algorithm)];
}

const ACCEPTED_TYPES: Record<FeatureKind, readonly ColumnType[]> = {
  NUMERIC: ['NUMBER', 'BOOLEAN'],
  CATEGORICAL: ['STRING', 'BOOLEAN', 'NUMBER', 'TIMESTAMP'],
  TIMESTAMP: ['TIMESTAMP'],
  TEXT: ['STRING'],
};

/**
 * Checks whether a training on this dataset can begin. Errors: BAD_USER_INPUT, which names the first wrong field, e.g.
 * `config.features[2].column: expected one of date, delay, distance, got "dely"`.
 */
export function checkConfigAgainstSchema(config: TrainingConfig, profile: DatasetProfile): void {
  const columnAt = (field: string, name: string): ColumnSchema => {
    const found = profile.columns.find((column) => column.name === name);
    if (!found) throw badInput(field, `one of ${profile.columns.map((column) => column.name).join(', ')}`, name);
    return found;
  };
  const timestampAt = (field: string, name: string): ColumnSchema => {
    const column = columnAt(field, name);
    if (column.type !== 'TIMESTAMP') throw badInput(field, 'a TIMESTAMP column', `${name} (${column.type})`);
    return column;
  };

  checkFeatures(config, profile, columnAt);
  let usableRows = profile.rowCount;
  const target = checkTarget(config, columnAt);
  if (target) usableRows -= target.missingCount;
  if (config.window) {
    timestampAt('config.window.column', config.window.column);
    const { from, to } = config.window;
    if (from !== undefined && to !== undefined && Date.parse(from) >= Date.parse(to))
      throw badInput('config.window.to', `an instant after ${from}`, to);
  }
  if (config.split.by === 'TIME') usableRows -= timestampAt('config.split.column', config.split.column).missingCount;
  checkDecisions(config);
  if (config.earlyStopping && !algorithmOf(config.algorithm).canStopEarly)
    throw badInput('config.earlyStopping', `nothing for ${config.algorithm}`, 'a rule');
  if (isNetwork(config)) checkNetwork(config);
  checkSampleWeight(config, columnAt);
  if (config.crossValidation)
    checkCrossValidation(config.crossValidation, {
      task: taskOf(config.algorithm),
      target: config.target?.column,
      features: config.features,
      splitColumn: config.split.by === 'TIME' ? config.split.column : undefined,
      columnAt,
    });
  if (config.split.by === 'COLUMN') return checkPartColumn(config, config.split, columnAt);
  if (config.split.validation + config.split.holdout >= 1) {
    throw badInput('config.split', 'validation + holdout below 1', config.split.validation + config.split.holdout);
  }
  if (config.sampleRows > 0) usableRows = Math.min(usableRows, config.sampleRows);
  checkSplitSizes(config, splitSizes(config.split, Math.max(0, usableRows)));
}

function checkNetwork({ hyperparameters }: NetworkConfig): void {
  const { batchNormalization, batchSize, embeddingFrom, embeddingSize } = hyperparameters;
  if (batchNormalization && batchSize === 1)
    throw badInput('config.hyperparameters.batchSize', 'at least 2 rows with batchNormalization', batchSize);
  if (embeddingSize !== undefined && embeddingFrom === undefined)
    throw badInput('config.hyperparameters.embeddingSize', 'nothing unless embeddingFrom is given', embeddingSize);
}

/**
 * Refuses settings that only a classification can have. The number of classes is known only after the rows are read.
 */
function checkDecisions({ algorithm, classWeights, decisionThreshold }: TrainingConfig): void {
  if (taskOf(algorithm) === 'CLASSIFICATION') return;
  if (classWeights) throw badInput('config.classWeights', `nothing for ${algorithm}`, classWeights.by);
  if (decisionThreshold) throw badInput('config.decisionThreshold', `nothing for ${algorithm}`, decisionThreshold.by);
}

function checkSampleWeight(config: TrainingConfig, columnAt: (field: string, name: string) => ColumnSchema): void {
  const { algorithm, sampleWeight, target } = config;
  if (!sampleWeight) return;
  const field = 'config.sampleWeight.column';
  if (!algorithmOf(algorithm).sampleWeights) throw badInput(field, `nothing for ${algorithm}`, sampleWeight.column);
  const { name, type, missingCount, min, max } = columnAt(field, sampleWeight.column);
  if (name === target?.column) throw badInput(field, 'a column other than the target', name);
  if (type !== 'NUMBER') throw badInput(field, 'a NUMBER column', `${name} (${type})`);
  if (missingCount > 0) throw badInput(field, 'a column without missing values', `${name} (${missingCount} missing)`);
  if (Number(min) < 0) throw badInput(field, 'a column without negative values', `${name} (from ${min})`);
  if (Number(max) === 0) throw badInput(field, 'a column with weights above 0', `${name} (all 0)`);
}

function checkPartColumn(
  { target, features }: TrainingConfig,
  { column, values }: Extract<SplitConfig, { by: 'COLUMN' }>,
  columnAt: (field: string, name: string) => ColumnSchema,
): void {
  const field = 'config.split.column';
  const { type } = columnAt(field, column);
  if (type === 'TIMESTAMP')
    throw badInput(field, 'a STRING, BOOLEAN or NUMBER column; a TIMESTAMP column splits by TIME', column);
  if (column === target?.column) throw badInput(field, 'a column other than the target', column);
  const feature = features.findIndex((one) => one.column === column);
  if (feature >= 0)
    throw badInput(`config.features[${feature}].column`, 'a column other than the one that splits', column);
  const partOf = new Map<string, string>();
  for (const [part, listed] of Object.entries(values ?? {})) {
    listed?.forEach((value, i) => {
      if (partOf.has(value))
        throw badInput(`config.split.values.${part}[${i}]`, `a value that is not in ${partOf.get(value)}`, value);
      partOf.set(value, part);
    });
  }
}

const TEXT_OPTIONS = ['maxTerms', 'ngrams', 'lowercase'] as const;

function checkFeatures(
  config: TrainingConfig,
  profile: DatasetProfile,
  columnAt: (field: string, name: string) => ColumnSchema,
): void {
  const seen = new Set<string>();
  config.features.forEach((feature, i) => {
    const { column: name, kind, monotone } = feature;
    for (const option of TEXT_OPTIONS)
      if (feature[option] !== undefined && kind !== 'TEXT')
        throw badInput(`config.features[${i}].${option}`, 'nothing, except for a TEXT feature', feature[option]);
    if (monotone !== undefined && (kind !== 'NUMERIC' || !isTrees(config)))
      throw badInput(
        `config.features[${i}].monotone`,
        'nothing, except for a NUMERIC feature of boosted trees',
        monotone,
      );
    // The leaves of quantiles are set after their tree has grown, so that no bounds hold them.
    if (monotone !== undefined && quantileOf(config) !== undefined)
      throw badInput(`config.features[${i}].monotone`, 'nothing with the hyperparameter quantile', monotone);
    const field = `config.features[${i}].column`;
    const column = columnAt(field, name);
    if (seen.has(name)) throw badInput(field, 'each column once', name);
    seen.add(name);
    if (name === config.target?.column) throw badInput(field, 'a column other than the target', name);
    if (name === '' || outputNamesOf(config.algorithm).includes(name)) {
      throw badInput(
        field,
        `a name that is not empty and not an output of the model (${outputNamesOf(config.algorithm).join(', ')})`,
        name,
      );
    }
    const { featureKinds } = algorithmOf(config.algorithm);
    if (!featureKinds.includes(kind))
      throw badInput(`config.features[${i}].kind`, `${featureKinds.join(' or ')} for ${config.algorithm}`, kind);
    if (!ACCEPTED_TYPES[kind].includes(column.type)) {
      throw badInput(
        `config.features[${i}].kind`,
        `${kindsFor(column.type).join(' or ')} for the ${column.type} column ${name}`,
        kind,
      );
    }
    if (column.missingCount === profile.rowCount)
      throw badInput(field, 'a column with values', `${name} (all missing)`);
  });
}

function kindsFor(type: ColumnType): FeatureKind[] {
  return (Object.keys(ACCEPTED_TYPES) as FeatureKind[]).filter((kind) => ACCEPTED_TYPES[kind].includes(type));
}

function checkTarget(
  config: TrainingConfig,
  columnAt: (field: string, name: string) => ColumnSchema,
): ColumnSchema | undefined {
  const task = taskOf(config.algorithm);
  if (task === 'CLUSTERING') {
    if (config.target) throw badInput('config.target', `nothing for ${config.algorithm}`, config.target.column);
    return undefined;
  }
  if (!config.target) throw badInput('config.target', `a target column for ${config.algorithm}`, 'nothing');
  const field = 'config.target.column';
  const column = columnAt(field, config.target.column);
  const described = `${column.name} (${column.type})`;
  if (column.distinctCount < 2)
    throw badInput(field, 'a column with at least two different values', `${column.name} (${column.distinctCount})`);
  if (task === 'REGRESSION') {
    if (column.type !== 'NUMBER') throw badInput(field, 'a NUMBER column', described);
    if (config.target.greaterThan !== undefined)
      throw badInput('config.target.greaterThan', 'nothing for regression', config.target.greaterThan);
    return column;
  }
  if (config.target.greaterThan !== undefined) {
    if (column.type !== 'NUMBER') throw badInput(field, 'a NUMBER column, as greaterThan needs', described);
    const { greaterThan } = config.target;
    if (greaterThan < Number(column.min) || greaterThan >= Number(column.max)) {
      throw badInput(
        'config.target.greaterThan',
        `a threshold from ${column.min} to below ${column.max}, for two classes`,
        greaterThan,
      );
    }
    return column;
  }
  if (column.type === 'TIMESTAMP') throw badInput(field, 'a STRING, BOOLEAN or NUMBER column', described);
  if (column.type === 'NUMBER' && ![column.min, column.max].every((bound) => Number.isInteger(Number(bound)))) {
    throw badInput(
      field,
      'whole numbers as classes, or target.greaterThan',
      `${column.name} from ${column.min} to ${column.max}`,
    );
  }
  if (config.decisionThreshold && column.distinctCount > 2)
    throw badInput('config.decisionThreshold', 'a target of two classes', `${column.name} (${column.distinctCount})`);
  if (column.distinctCount > MAX_CLASSES)
    throw badInput(field, `at most ${MAX_CLASSES} classes`, `${column.name} (${column.distinctCount})`);
  return column;
}

export interface SplitSizes {
  train: number;
  validation: number;
  holdout: number;
}

export function splitSizes(split: { validation: number; holdout: number }, rows: number): SplitSizes {
  const holdout = Math.round(rows * split.holdout);
  const validation = Math.min(rows - holdout, Math.round(rows * split.validation));
  return { train: rows - holdout - validation, validation, holdout };
}

/** Errors: BAD_USER_INPUT when the split leaves too few rows for the training or for the measurement. */
export function checkSplitSizes(config: TrainingConfig, sizes: SplitSizes): void {
  const { train, validation, holdout } = sizes;
  if (train < MIN_TRAINING_ROWS || validation < MIN_HELD_ROWS || holdout < MIN_HELD_ROWS) {
    const expected = `at least ${MIN_TRAINING_ROWS} training, ${MIN_HELD_ROWS} validation and ${MIN_HELD_ROWS} holdout rows`;
    throw badInput('config.split', expected, `${train}, ${validation} and ${holdout}`);
  }
  if (isKMeans(config) && config.hyperparameters.clusters > train) {
    throw badInput(
      'config.hyperparameters.clusters',
      `at most the ${train} training rows`,
      config.hyperparameters.clusters,
    );
  }
}
