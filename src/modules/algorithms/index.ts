export {
  CROSS_VALIDATIONS,
  FOLDS,
  crossValidationResultSchema,
  foldColumnOf,
  foldMetrics,
  foldResultSchema,
  summarizeFolds,
  tooManyFolds,
  type CrossValidation,
  type CrossValidationBy,
  type CrossValidationResult,
  type FoldResult,
  type FoldSummary,
} from './rules/cross-validation.js';
export { chooseThreshold } from './rules/decision-threshold.js';
export { defaultFeatures } from './rules/default-features.js';
export {
  CYCLES,
  DAY_MS,
  EPOCH_FROM_MARCH_0,
  EPOCH_WEEKDAY,
  ERA_DAYS,
  HOUR_MS,
  JANUARY_FEBRUARY_DAYS,
  MARCH_TO_YEAR_END_DAYS,
  civilDate,
  cyclePartOf,
  cycleTable,
  dayOf,
  type CyclePart,
} from './rules/time-parts.js';
export {
  MAX_CLASSES,
  MIN_TRAINING_ROWS,
  checkConfigAgainstSchema,
  checkSplitSizes,
  splitSizes,
  type SplitSizes,
} from './rules/training-check.js';
export {
  BACKENDS,
  FEATURE_KINDS,
  STRATEGIES,
  TASKS,
  type Algorithm,
  type Backend,
  type FeatureKind,
  type Strategy,
  type Task,
} from './rules/algorithm.js';
export { PARAMETER_TYPES, type Parameter } from './rules/parameters.js';
export { ALGORITHMS, algorithmOf, searchSpaceOf, taskOf, type AlgorithmName } from './rules/registry.js';
export {
  DEFAULT_TERMS,
  TRAINING_RANGES,
  USUAL_PARTS,
  hasLoss,
  isKMeans,
  isLinear,
  isNetwork,
  isPython,
  isTrees,
  quantileOf,
  trainingConfigSchema,
  type KMeansConfig,
  type LinearConfig,
  type NetworkConfig,
  type PythonConfig,
  type Reading,
  type SplitConfig,
  type TrainingConfig,
  type TrainingRequestConfig,
  type TreesConfig,
} from './rules/training-config.js';
export { blocksRefusal, bytesInMemory, readingOf } from './rules/reading.js';
export { configParams, parseTrainingConfig, type TrainingConfigInput } from './rules/training-input.js';
export { trainingResultSchema } from './rules/training-result.js';
export {
  LEAK_RULES,
  baseRateWarning,
  copiedRowsWarning,
  curveWarnings,
  divergedWarning,
  rareClassWarnings,
  targetLeakWarning,
  trackLoss,
  trainingWarningSchema,
  type LossCurve,
  type TrainingWarning,
  type TrainingWarningCode,
} from './rules/training-warnings.js';
