export { bootstrapMeanDifference, bootstrapRootMeanDifference, type MeanInterval } from './rules/bootstrap.js';
export { ascendingOrder, calibrate, type Calibration } from './rules/calibration.js';
export { choleskySolve } from './rules/cholesky.js';
export {
  chiSquareTwoSample,
  holmAdjusted,
  kolmogorovSmirnov,
  poolSparseCells,
  psi,
  sum,
  type TestResult,
} from './rules/drift-statistics.js';
export { wilsonInterval, type Interval } from './rules/intervals.js';
export { descend, type DescentState } from './rules/lbfgs.js';
export { median, weightedQuantile } from './rules/median.js';
export { classificationIntervals, regressionIntervals } from './rules/metric-intervals.js';
export {
  classificationMetrics,
  confusionMatrix,
  confusionMetrics,
  logLossRows,
  mean,
  pinballRows,
  predictedClasses,
  regressionMetrics,
  silhouette,
  squaredErrorRows,
  type ClassPredictions,
} from './rules/metrics.js';
export {
  axisPositions,
  inCodePoints,
  numberAxis,
  paramAxis,
  type AxisKind,
  type ParamAxis,
} from './rules/param-axis.js';
export {
  IMPORTANCE_TREES,
  MAX_IMPORTANCE_PARAMS,
  MAX_IMPORTANCE_RUNS,
  parameterImportance,
  type ImportanceRequest,
  type ParameterImportance,
} from './rules/parameter-importance.js';
export { SeededRandom, sampleIndices } from './rules/random.js';
export { GROUP_TEST_METHOD, compareGroups, type GroupDifference } from './rules/two-groups.js';
