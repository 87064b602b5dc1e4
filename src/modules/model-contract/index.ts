export { categoriesOf, knownCategories, unknownCategories, type UnknownCategory } from './rules/categories.js';
export { signatureDifference } from './rules/signature-difference.js';
export {
  CLASSES,
  bothProbabilities,
  classOfLabel,
  rowWithoutProbabilities,
  sameClass,
  withClasses,
  withOwnClasses,
} from './rules/class-names.js';
export {
  CORRECTIONS,
  NULL_VALUES,
  TIME_FORMAT,
  UNIT_SIGN,
  checkCorrections,
  type GivenColumn,
} from './rules/column-corrections.js';
export { inputRequests, isRecorded, mergeRequests, type ColumnRequest, type Form } from './rules/column-requests.js';
export {
  CONVERSION_TOLERANCE,
  conversionOutcomeSchema,
  conversionProblem,
  type Conversion,
  type ConversionOutcome,
  type SampleRows,
} from './rules/conversion.js';
export { categoryAt, joinColumns, takeRows, toTensors, type Column } from './rules/dataset-column.js';
export {
  DATASET_FORMATS,
  DEFAULT_NULL_VALUES,
  readAs,
  readingOf,
  type ColumnCorrection,
  type ColumnReading,
  type ColumnSchema,
  type ColumnType,
  type DatasetFormat,
  type DatasetProfile,
  type FileReading,
} from './rules/dataset-schema.js';
export {
  buildCategoricalReference,
  buildNumericReference,
  buildPredictionReference,
  countBins,
  referenceProfileSchema,
  type CategoricalReference,
  type NumericReference,
  type PredictionReference,
  type ReferenceProfile,
} from './rules/drift.js';
export { MISSING_TIMESTAMP_MS, missingElement } from './rules/element.js';
export {
  COLUMN_NAMES,
  columnNames,
  elementsPerRow,
  neededColumns,
  requireMapped,
  rowShape,
  unmappedInputs,
  withColumns,
  withKnownColumns,
  type GivenColumns,
} from './rules/input-columns.js';
export { joinInputs, type NamedSignature } from './rules/joined-inputs.js';
export { judgedOutput } from './rules/judged-output.js';
export {
  LATENCY_BUCKETS,
  LATENCY_EDGES_MS,
  latencyBucket,
  latencyPercentileMs,
  latencyTotalMs,
} from './rules/latency-histogram.js';
export { loggedText } from './rules/logged-text.js';
export {
  allocate,
  checkTensors,
  invalidValue,
  plainValues,
  rowsToTensors,
  tensorFromValues,
} from './rules/tensor-check.js';
export {
  DATATYPES,
  signatureSchema,
  type Datatype,
  type InputColumn,
  type OutputMeaning,
  type RowIndependence,
  type Signature,
  type Tensor,
  type TensorData,
  type TensorSpec,
} from './rules/tensor.js';
export type { ChatMessage, FinishReason, Prompt, Sampling, TokenUsage } from './rules/text.js';
export { DEFAULT_SCALE_TO_ZERO_MS, type ModelScaling, TARGET_ONGOING } from './rules/scaling.js';
