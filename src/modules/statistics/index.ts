export { binomialSequence, percentileSequence } from './rules/binomial-sequence.js';
export { bootstrapMeanDifference, bootstrapRootMeanDifference, type MeanInterval } from './rules/bootstrap.js';
export { ascendingOrder, calibrate, type Calibration } from './rules/calibration.js';
export {
  mixtureBound,
  sequenceMultiplier,
  sequencePValue,
  tunedRho,
  type Mixture,
} from './rules/confidence-sequence.js';
export { choleskySolve } from './rules/cholesky.js';
export {
  benjaminiHochbergAdjusted,
  chiSquareContingency,
  chiSquareTable,
  chiSquareTwoSample,
  holmAdjusted,
  kolmogorovSmirnov,
  poolSparseCells,
  psi,
  sum,
  type TestResult,
} from './rules/drift-statistics.js';
export { spendingBounds, spentAlpha, stoppingProbabilities } from './rules/group-sequential.js';
export { wilsonInterval, type Interval } from './rules/intervals.js';
export {
  compareArms,
  keyMoments,
  ratioOf,
  winsorLimits,
  type ArmComparison,
  type KeyMoments,
  type KeyValues,
} from './rules/key-moments.js';
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
export { normalCdf, normalQuantile } from './rules/normal.js';
export { betaPosterior, PosteriorDraws, probabilityOfBest } from './rules/probability-of-best.js';
export { SeededRandom, sampleIndices } from './rules/random.js';
export { SAMPLE_RATIO_ALPHA, sampleRatioTest, sequentialSampleRatio } from './rules/sample-ratio.js';
export { keysForMeans, planDesign, type DesignPlan, type TestDesign } from './rules/sample-size.js';
export { GROUP_TEST_METHOD, compareGroups, type GroupDifference } from './rules/two-groups.js';
export {
  mannWhitneyTest,
  twoProportionTest,
  welchTest,
  type DifferenceTest,
  type GroupMean,
  type Proportion,
  type RankSums,
} from './rules/two-samples.js';
