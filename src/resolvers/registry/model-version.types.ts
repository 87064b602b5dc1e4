import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { Conversion, RowIndependence, Signature } from '../../modules/model-contract/index.js';
import type { SourceFolder } from '../../modules/registry/index.js';
import { describeEnum, describeOrderFields, KeyValueInput, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, MetricValue, SafeInt } from '../types/scalars.js';
import { ColumnTypeEnum } from '../datasets/dataset.types.js';
import { StageEnum, type StageName } from './model.types.js';
import { Range, RangeOfModule } from '../types/range.js';
import { ANY_ITEMS, ANY_TEXT, entriesOf, FREE_PATH, NAME, SEARCH_TEXT, TAG_VALUE } from '../../modules/core/index.js';
import { ADAPTER_PATH, SEMANTIC_VERSION, SERVED_NAME } from '../../modules/registry/index.js';
import { CLASSES, COLUMN_NAMES } from '../../modules/model-contract/index.js';

export const VersionStatusEnum = describeEnum('ModelVersionStatus', 'Whether the files of a version are stored.', {
  PENDING: 'The files are being stored; after a crash the service continues by itself.',
  READY: 'All files are stored: the version can be evaluated, promoted and deployed.',
  FAILED: 'Storing failed; `error` says why.',
});

export const TensorSemanticEnum = describeEnum(
  'TensorSemantic',
  'How a plain value of a named row is converted to a tensor element.',
  {
    NUMERIC: 'A number; null is a missing value.',
    CATEGORICAL: 'A text; null is a missing value.',
    TIMESTAMP_MS: 'An ISO 8601 text, or milliseconds since 1970, UTC.',
  },
);

export const DatatypeEnum = describeEnum(
  'Datatype',
  'Element type of a tensor, named as in the Open Inference Protocol.',
  {
    BOOL: 'True or false.',
    INT8: 'Integers of 8 bits.',
    INT16: 'Integers of 16 bits.',
    INT32: 'Integers of 32 bits.',
    INT64: 'Integers of 64 bits; in JSON up to 2^53 - 1. Larger output values are decimal strings.',
    UINT8: 'Integers from 0 to 255.',
    FP32: 'Floats of 32 bits.',
    FP64: 'Floats of 64 bits.',
    BYTES: 'Text in UTF-8.',
  },
);

const OutputMeaningEnum = describeEnum('OutputMeaning', 'What the numbers or texts in an output of a model mean.', {
  LABEL: 'A class for each row.',
  CLUSTER: 'The number of a cluster for each row.',
  PROBABILITIES: 'A probability for each class, or for the second of two classes.',
  SCORES: 'Decision values: a larger value is more likely; they need not lie between 0 and 1.',
  DISTANCES: 'Distances, for example to the centre of each cluster: a smaller value is nearer.',
});

export const ModelVersionOrderField = describeOrderFields<'createdAt' | 'updatedAt' | 'version'>(
  'ModelVersionOrderField',
  'Fields by which model versions can be sorted.',
  {
    CREATED_AT: ['createdAt', 'Time of the registration.'],
    UPDATED_AT: ['updatedAt', 'Time of the last change, stage changes included.'],
    VERSION: ['version', 'Version number, which starts at 1 in each model.'],
  },
);

@ObjectType('InputColumn', {
  description: 'Column of a dataset, or of a named row, for one element of an input.',
})
export class InputColumnType {
  @Field(() => String, { description: 'Column name, as in datasets and in the rows of `predict`.' })
  name!: string;

  @Field(() => ColumnTypeEnum, { description: 'Data type of the values in this column.' })
  type!: keyof typeof ColumnTypeEnum;

  @Field(() => [String], {
    nullable: true,
    description:
      'Categories of the training rows, spelled as in the file, the most frequent first: at most ' +
      '2,000. `predict`, batch inference and monitoring report all other categories as unknown. ' +
      'Null for numbers and times, and when categories were not recorded.',
  })
  categories?: string[] | null;
}

@ObjectType('TensorSpec', { description: 'An input or output of a model.' })
export class TensorSpecType {
  @Field(() => String, { description: 'Name; inputs of models trained here have the names of the dataset’s columns.' })
  name!: string;

  @Field(() => DatatypeEnum, { description: 'Element type.' })
  datatype!: keyof typeof DatatypeEnum;

  @Field(() => [Int], { description: 'Length of each dimension, the batch dimension first; -1 means any length.' })
  shape!: number[];

  @Field(() => TensorSemanticEnum, {
    nullable: true,
    description: 'Meaning of an element; null when the file does not say.',
  })
  semantic?: keyof typeof TensorSemanticEnum | null;

  @Field(() => [InputColumnType], {
    nullable: true,
    description:
      'For inputs: columns for the elements of a row, in order. Null: for an input with one element ' +
      'per row, its column has the name of the input; for an input with several elements, the ' +
      'columns are unknown (set them with `updateModelVersion`).',
  })
  columns?: InputColumnType[] | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'For inputs: whether null is accepted as a missing value, in rows, tensors and datasets. ' +
      'Declared by a user, or found by a trial at registration; null when unknown.',
  })
  acceptsMissing?: boolean | null;

  @Field(() => OutputMeaningEnum, {
    nullable: true,
    description:
      'For outputs: meaning of the output, derived from the graph’s operators or a trial; null for ' +
      'inputs, and when unknown.',
  })
  meaning?: keyof typeof OutputMeaningEnum | null;
}

@ObjectType('RowIndependence', { description: 'Whether requests for a model may run together in one batch.' })
export class RowIndependenceType {
  @Field(() => Boolean, {
    description:
      'True: the model graph shows that the answer of a row cannot depend on other rows, and a ' +
      'trial confirms it. Requests that wait at the same time run in one batch. False: each request ' +
      'runs alone.',
  })
  proven!: boolean;

  @Field(() => String, {
    nullable: true,
    description:
      'Reason why it is not proven: the first operator that may combine rows, as a sentence. Null when proven.',
  })
  reason!: string | null;
}

@ObjectType('ModelSignature', { description: 'Signature: inputs and outputs of a model.' })
export class ModelSignatureType {
  @Field(() => [TensorSpecType], { description: 'Inputs, in the order of the file.' })
  inputs!: TensorSpecType[];

  @Field(() => [TensorSpecType], { description: 'Outputs, in the order of the file.' })
  outputs!: TensorSpecType[];

  @Field(() => [String], {
    nullable: true,
    description:
      'For a classifier: class names in the order of the probabilities. Null when neither the file ' +
      'nor a user gives them.',
  })
  classes?: string[] | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'For a classifier with two classes: the label is the second class from this probability on. ' +
      'Null: the label is the more probable class, or the threshold is not known.',
  })
  decisionThreshold?: number | null;

  @Field(() => RowIndependenceType, {
    nullable: true,
    description:
      'Whether requests may run in one batch. Null for versions that were registered before this ' +
      'was recorded; the service then determines it when it loads the model.',
  })
  rowIndependence?: RowIndependence | null;
}

@ObjectType({ description: 'A metric of the training, such as `holdout.log_loss`.' })
export class NamedMetric {
  @Field(() => String, { description: 'Name, e.g. `holdout.roc_auc`.' })
  name!: string;

  @Field(() => MetricValue, { description: 'Value of the metric; losses are in nats or in units of the target.' })
  value!: number;
}

@ObjectType('ModelVersion', { description: 'A model version: one model file, which never changes, with its metadata.' })
export class ModelVersionType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => Int, { description: 'Number within the model, from 1; a number is never reused.' })
  version!: number;

  @Field(() => String, {
    description:
      'MAJOR.MINOR.PATCH, unique in the model: major for a signature that callers must adapt to, ' +
      'minor for a new training, patch for a repeated training; or a value that a user has set.',
  })
  semanticVersion!: string;

  @Field(() => StageEnum, { description: 'Current stage on the way to production.' })
  stage!: StageName;

  @Field(() => VersionStatusEnum, { description: 'Whether the files of the version are stored.' })
  status!: keyof typeof VersionStatusEnum;

  @Field(() => String, { nullable: true, description: 'Why the status is FAILED; null otherwise.' })
  error?: string | null;

  @Field(() => String, { description: 'Description of the version, as Markdown; may be empty.' })
  description!: string;

  @Field(() => SafeInt, { nullable: true, description: 'Size of model.onnx in bytes; null when there is none yet.' })
  sizeBytes?: number | null;

  @Field(() => String, {
    nullable: true,
    description: 'SHA-256 of model.onnx, hexadecimal; null when there is none yet.',
  })
  sha256?: string | null;

  @Field(() => ModelSignatureType, {
    nullable: true,
    description:
      'Inputs and outputs of model.onnx; null when there is none yet, for a version with files of ' +
      'another framework.',
  })
  signature?: Signature | null;

  @Field(() => LanguageModelType, {
    nullable: true,
    description: 'The model at the server of language models; null for a version with files.',
  })
  languageModel?: LanguageModelType | null;

  /** The API shows this as an object. */
  conversion?: Conversion | null;

  @Field(() => MetricValue, {
    nullable: true,
    description:
      'Largest absolute difference between the outputs of the trainer and the runtime; null for an ' +
      'uploaded file, which was not trained here.',
  })
  agreementMaxAbsDiff?: number | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Location of the files from which the version was registered, e.g. `models:/m-…` or ' +
      '`runs:/…`; null for a training or an upload in this service.',
  })
  sourceUri?: string | null;

  @Field(() => String, { description: 'Subject of the token that made the registration.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time of the registration, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'Time of the last change, stage changes included, UTC.' })
  updatedAt!: Date;

  /** The API shows these in another form. */
  framework?: string | null;
  modelId!: string;
  runId?: string | null;
  loggedModelId?: string | null;
  sourceFolder?: SourceFolder | null;
  metrics!: Record<string, number>;
  tags!: Record<string, string>;
}

export const ModelVersionConnection = connectionOf(ModelVersionType, 'ModelVersion', 'model versions');

@InputType({ description: 'Filter for model versions; all given fields must match.' })
export class ModelVersionFilterInput {
  @Range(SEARCH_TEXT)
  @Field(() => String, {
    nullable: true,
    description:
      'Text that the description, the semantic version, the key or value of a tag, or the model name ' +
      'contains, case-insensitive.',
  })
  search?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Versions of this model; NOT_FOUND when it does not exist.',
  })
  modelId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Versions that this run trained.' })
  runId?: string | null;

  @Field(() => [StageEnum], { nullable: true, description: 'Versions in one of these stages.' })
  stage?: StageName[] | null;

  @Field(() => VersionStatusEnum, { nullable: true, description: 'Versions whose files have this status, e.g. READY.' })
  status?: keyof typeof VersionStatusEnum | null;

  @Field(() => String, {
    nullable: true,
    description: 'Versions with exactly this framework (their own, or the framework of their model), e.g. `sklearn`.',
  })
  framework?: string | null;

  @Field(() => String, { nullable: true, description: 'Versions of models with exactly this `modelType`.' })
  modelType?: string | null;

  @RangeOfModule(entriesOf(TAG_VALUE))
  @Field(() => [KeyValueInput], {
    nullable: true,
    description: 'Tags that the version must have, all of them.',
  })
  tags?: KeyValueInput[] | null;
}

@InputType({
  description: 'Sort order of a list of model versions: field and direction. Items with equal values are sorted by id.',
})
export class ModelVersionOrderInput {
  @Field(() => ModelVersionOrderField, { description: 'Field whose values determine the order.' })
  field!: 'createdAt' | 'updatedAt' | 'version';

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'Additional facts about one input of a model that the model file does not contain.' })
export class InputColumnsInput {
  @Field(() => String, {
    nullable: true,
    description: 'Name of the input in the signature; optional when the model has only one input.',
  })
  input?: string | null;

  @Range(COLUMN_NAMES)
  @Field(() => [String], {
    nullable: true,
    description:
      'Columns for the elements of a row, in the order of the training: exactly as many as a row of ' +
      'the input has, without repetition. Unchanged when absent.',
  })
  columns?: string[] | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Whether the model accepts missing values in this input: NaN in float inputs, the empty text ' +
      'in text inputs. Unchanged when absent; the service tries it at registration.',
  })
  acceptsMissing?: boolean | null;
}

const INPUT_COLUMNS =
  'Columns for the inputs of a model that takes a matrix. The rows of `predict`, datasets and monitoring then use ' +
  'these names.';
const ABOUT_CLASSES =
  'For a classifier: class names in the order of the probabilities in the model’s output. For ' +
  'files that do not contain them; two names for a model with one probability per row.';

@InputType({ description: 'A language model as its server knows it: the model, or a LoRA adapter of it.' })
export class LanguageModelInput {
  @RangeOfModule(SERVED_NAME)
  @Field(() => String, {
    description:
      'Name by which the server serves the model, as GET /v1/models of vLLM lists it. Only a deployment looks whether ' +
      'the server has it.',
  })
  name!: string;

  @RangeOfModule(ADAPTER_PATH)
  @Field(() => String, {
    nullable: true,
    description:
      'Folder of a LoRA adapter of this model, e.g. `support/v3`, below the folder VLLM_ADAPTER_DIR/<your tenant> on ' +
      'the server’s disk; the model itself when absent. INVALID_PATH when it leads elsewhere.',
  })
  adapter?: string | null;
}

@ObjectType('LanguageModel', {
  description: 'A language model as its server knows it: the model, or a LoRA adapter of it.',
  simpleResolvers: true,
})
export class LanguageModelType {
  @Field(() => String, { description: 'Name by which the server serves the model.' })
  name!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Folder of a LoRA adapter of the model, below the tenant’s folder; null for the model itself.',
  })
  adapter!: string | null;
}

@InputType({
  description:
    'Version to register: from a run, a logged model, an upload, or as a language model; give exactly one of the four.',
})
export class RegisterModelVersionInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when it does not exist.' })
  modelId!: string;

  @Field(() => ID, {
    nullable: true,
    description:
      'A logged model with files that an MLflow client has logged. NOT_FOUND when it does not ' +
      'exist; CONFLICT when it is deleted or has no MLmodel file.',
  })
  loggedModelId?: string | null;

  @RangeOfModule(FREE_PATH)
  @Field(() => String, {
    nullable: true,
    description:
      'With `runId`: the folder with the MLmodel file among the run’s artifacts, e.g. `model`. ' +
      'CONFLICT when the folder has no MLmodel file, INVALID_PATH when it is outside the artifacts.',
  })
  artifactPath?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'Run whose training made the model. NOT_FOUND when it does not exist; CONFLICT without a ' +
      'finished training, or when it was trained for another task.',
  })
  runId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      '`uploadId` of an ONNX file from the answer of POST /uploads. The file is first loaded in a ' +
      'separate process: INVALID_MODEL says what is wrong with it.',
  })
  uploadId?: string | null;

  @Field(() => LanguageModelInput, {
    nullable: true,
    description:
      'A language model that a server of the service has (vLLM). CONFLICT when the model is for another task than ' +
      'TEXT_GENERATION.',
  })
  languageModel?: LanguageModelInput | null;

  @RangeOfModule(SEMANTIC_VERSION)
  @Field(() => String, {
    nullable: true,
    description:
      'Semantic version of your choice, MAJOR.MINOR.PATCH; CONFLICT when another version of the ' +
      'model has it. When absent: the next after the greatest one, depending on what has changed.',
  })
  semanticVersion?: string | null;

  @RangeOfModule(NAME)
  @Field(() => String, {
    nullable: true,
    description:
      'Original framework, before the conversion to ONNX, e.g. `sklearn`; the framework of its model when absent.',
  })
  framework?: string | null;

  @Field(() => String, { nullable: true, description: 'Description of the version, as Markdown.' })
  description?: string | null;

  @RangeOfModule(entriesOf(ANY_TEXT))
  @Field(() => [KeyValueInput], { nullable: true, description: 'Tags of the version.' })
  tags?: KeyValueInput[] | null;

  @Range(ANY_ITEMS)
  @Field(() => [InputColumnsInput], {
    nullable: true,
    description:
      `${INPUT_COLUMNS} When absent, the columns that the MLflow signature names are used. CONFLICT for ` +
      'files that must be converted first.',
  })
  inputColumns?: InputColumnsInput[] | null;

  @Range(CLASSES)
  @Field(() => [String], {
    nullable: true,
    description: `${ABOUT_CLASSES} CONFLICT for files that must be converted first.`,
  })
  classes?: string[] | null;

  @Range({ above: 0, below: 1 })
  @Field(() => Float, {
    nullable: true,
    description:
      'For a classifier with two classes: the label is the second class from this probability on; evaluations use ' +
      'it. BAD_USER_INPUT when the model does not have two classes with names.',
  })
  decisionThreshold?: number | null;
}

@InputType({ description: 'Changes of a version; absent fields do not change.' })
export class UpdateModelVersionInput {
  @Field(() => ID, { description: 'The version. NOT_FOUND when it does not exist.' })
  id!: string;

  @RangeOfModule(SEMANTIC_VERSION)
  @Field(() => String, {
    nullable: true,
    description:
      'New semantic version, MAJOR.MINOR.PATCH, in DEVELOPMENT and STAGING. CONFLICT in other ' +
      'stages, or when another version of the model has it. The model card keeps the semantic ' +
      'version of the registration.',
  })
  semanticVersion?: string | null;

  @Field(() => String, { nullable: true, description: 'New description, as Markdown.' })
  description?: string | null;

  @RangeOfModule(entriesOf(ANY_TEXT))
  @Field(() => [KeyValueInput], { nullable: true, description: 'New set of tags; it replaces all tags.' })
  tags?: KeyValueInput[] | null;

  @Range(ANY_ITEMS)
  @Field(() => [InputColumnsInput], {
    nullable: true,
    description:
      `${INPUT_COLUMNS} When absent, they do not change. Gate results from before the change no longer count. ` +
      'CONFLICT for a change in PRODUCTION or ARCHIVED, and without a model.onnx.',
  })
  inputColumns?: InputColumnsInput[] | null;

  @Range(CLASSES)
  @Field(() => [String], {
    nullable: true,
    description:
      `${ABOUT_CLASSES} Gate results from before the change no longer count. CONFLICT for a change in PRODUCTION ` +
      'or ARCHIVED, and without a model.onnx.',
  })
  classes?: string[] | null;

  @Range({ above: 0, below: 1 })
  @Field(() => Float, {
    nullable: true,
    description:
      'For a classifier with two classes: the label is the second class from this probability on; evaluations use ' +
      'it. BAD_USER_INPUT when the model does not have two classes with names. Gate results from before the change no ' +
      'longer count. CONFLICT for a change in PRODUCTION or ARCHIVED, and without a model.onnx.',
  })
  decisionThreshold?: number | null;
}

@InputType({ description: 'Version to delete, together with its files.' })
export class DeleteModelVersionInput {
  @Field(() => ID, {
    description:
      'The version. NOT_FOUND when it does not exist; CONFLICT unless it is in DEVELOPMENT or ' +
      'STAGING, was never in PRODUCTION, is not deployed, is not asked by an ensemble on FAN_OUT, and is not used by a ' +
      'running job.',
  })
  id!: string;
}

@ObjectType({ description: 'The version after the mutation.' })
export class ModelVersionPayload {
  @Field(() => ModelVersionType, { description: 'The version after this change, as a query would show it now.' })
  modelVersion!: ModelVersionType;
}
