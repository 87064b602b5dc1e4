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
  checkConfigAgainstSchema,
  checkSplitSizes,
  splitSizes,
  unusedHyperparameters,
  type SplitSizes,
} from './rules/training-check.js';
export {
  LEARNING_RATE,
  TRAINING_RANGES,
  TASK_OF,
  TREE_DEFAULTS,
  USUAL_PARTS,
  hasLoss,
  isNetwork,
  isTrees,
  type FEATURE_KINDS,
  type MODEL_TYPES,
  type Optimizer,
  type SplitConfig,
  type Task,
  trainingConfigSchema,
  type TrainingConfig,
} from './rules/training-config.js';
export { configParams, parseTrainingConfig, type TrainingConfigInput } from './rules/training-input.js';
export { trainingResultSchema } from './rules/training-result.js';
export {
  baseRateWarning,
  curveWarnings,
  divergedWarning,
  rareClassWarnings,
  trackLoss,
  trainingWarningSchema,
  type LossCurve,
  type TrainingWarning,
  type TrainingWarningCode,
} from './rules/training-warnings.js';
