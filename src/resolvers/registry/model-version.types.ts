import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { Conversion, RowIndependence, Signature } from '../../modules/model-contract/index.js';
import type { SourceFolder } from '../../modules/registry/index.js';
import { describeEnum, describeOrderFields, KeyValueInput, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, MetricValue, SafeInt } from '../types/scalars.js';
import { ColumnTypeEnum } from '../datasets/dataset.types.js';
import { StageEnum, type StageName } from './model.types.js';

export const VersionStatusEnum = describeEnum('ModelVersionStatus', 'Whether the files of a version are stored.', {
  PENDING: 'The files are being stored; after a crash the service continues by itself.',
  READY: 'All files are stored: the version can be evaluated, promoted and deployed.',
  FAILED: 'Storing failed; `error` says why.',
});

export const TensorSemanticEnum = describeEnum(
  'TensorSemantic',
  'How a plain value of a named row becomes a tensor element.',
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

const OutputMeaningEnum = describeEnum('OutputMeaning', 'What an output of a model is.', {
  LABEL: 'A class for each row.',
  CLUSTER: 'The number of a cluster for each row.',
  PROBABILITIES: 'A probability for each class, or that of the second of two.',
  SCORES: 'Decision values: larger is likelier, but they need not lie between 0 and 1.',
  DISTANCES: 'Distances, to each cluster’s centre for example: smaller is nearer.',
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

  @Field(() => ColumnTypeEnum, { description: 'Type of the values.' })
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
  @Field(() => String, { description: 'Name; for models trained here, inputs are named as the dataset’s columns.' })
  name!: string;

  @Field(() => DatatypeEnum, { description: 'Type of its elements.' })
  datatype!: keyof typeof DatatypeEnum;

  @Field(() => [Int], { description: 'Length of each dimension, the batch first; -1 stands for any.' })
  shape!: number[];

  @Field(() => TensorSemanticEnum, {
    nullable: true,
    description: 'What an element means; null when the file does not say.',
  })
  semantic?: keyof typeof TensorSemanticEnum | null;

  @Field(() => [InputColumnType], {
    nullable: true,
    description:
      'Inputs: the columns that fill the elements of a row, in order. Null: one column of the input’s own ' +
      'name; of an input with several elements per row, that nobody has said which they are ' +
      '(`updateModelVersion` does).',
  })
  columns?: InputColumnType[] | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Inputs: whether null is taken as a missing value, in rows, tensors, datasets alike. Declared, or ' +
      'found by trying at registration; null when neither.',
  })
  acceptsMissing?: boolean | null;

  @Field(() => OutputMeaningEnum, {
    nullable: true,
    description:
      'Outputs: what it is, as the graph’s operators or a trial told; null for inputs, and where neither did.',
  })
  meaning?: keyof typeof OutputMeaningEnum | null;
}

@ObjectType('RowIndependence', { description: 'Whether requests for a model may run together in one batch.' })
export class RowIndependenceType {
  @Field(() => Boolean, {
    description:
      'The graph shows that a row’s answer cannot depend on its neighbours, and a trial agrees: requests ' +
      'that wait at one time run together. Otherwise each request runs alone.',
  })
  proven!: boolean;

  @Field(() => String, {
    nullable: true,
    description: 'What stands in the way: the first operator that may join rows, in words. Null when proven.',
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

@ObjectType({ description: 'What the training measured, such as `holdout.log_loss`.' })
export class NamedMetric {
  @Field(() => String, { description: 'Name, e.g. `holdout.roc_auc`.' })
  name!: string;

  @Field(() => MetricValue, { description: 'Its value; losses are in nats or in units of the target.' })
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

  @Field(() => StageEnum, { description: 'Current status.' })
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

  /** Shown as an object. */
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

  /** Shown otherwise. */
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
  @Field(() => String, {
    nullable: true,
    description:
      'Text that the description, the semantic version, the key or value of a tag, or the model ' +
      'name contains, case-insensitive; at most 200 characters.',
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

  @Field(() => VersionStatusEnum, { nullable: true, description: 'Versions with this status.' })
  status?: keyof typeof VersionStatusEnum | null;

  @Field(() => String, {
    nullable: true,
    description: 'Versions with exactly this framework (their own, or the framework of their model), e.g. `sklearn`.',
  })
  framework?: string | null;

  @Field(() => String, { nullable: true, description: 'Versions of models with exactly this `modelType`.' })
  modelType?: string | null;

  @Field(() => [KeyValueInput], {
    nullable: true,
    description: 'Tags that the version must have, all of them; at most 100.',
  })
  tags?: KeyValueInput[] | null;
}

@InputType({
  description: 'Sort order of a list of model versions: field and direction. Items with equal values are sorted by id.',
})
export class ModelVersionOrderInput {
  @Field(() => ModelVersionOrderField, { description: 'Field to sort by.' })
  field!: 'createdAt' | 'updatedAt' | 'version';

  @Field(() => OrderDirection, { description: 'Direction of the order.' })
  direction!: OrderDirection;
}

@InputType({ description: 'Additional facts about one input of a model that the model file does not contain.' })
export class InputColumnsInput {
  @Field(() => String, {
    nullable: true,
    description: 'Name of the input in the signature; optional when the model has only one input.',
  })
  input?: string | null;

  @Field(() => [String], {
    nullable: true,
    description:
      'Columns for the elements of a row, in the order of the training: exactly as many as a row of ' +
      'the input has, without repetition, each 1 to 1,000 characters. Unchanged when absent.',
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
  'Which columns fill the inputs, for models that take a matrix: rows of `predict`, datasets and monitoring ' +
  'then go by these names. At registration, what an MLflow signature of columns says holds when absent.';
const CLASSES =
  'Of a classifier: the class of each probability in the order of the model’s output, each 1 to 250 ' +
  'characters. For files that do not say it themselves; two for a model that answers with one probability.';

@InputType({ description: 'A version to register: from a run, a logged model or an upload, exactly one of the three.' })
export class RegisterModelVersionInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when it does not exist.' })
  modelId!: string;

  @Field(() => ID, {
    nullable: true,
    description:
      'A model that a client has logged with its files, through the MLflow protocol. NOT_FOUND when there is ' +
      'none; CONFLICT when it was deleted, or has no MLmodel file.',
  })
  loggedModelId?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'With `runId`: the folder among the run’s artifacts that has the MLmodel file, e.g. `model`. CONFLICT ' +
      'when it has none, INVALID_PATH when it leads elsewhere.',
  })
  artifactPath?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'Run whose training made the file. NOT_FOUND when there is none; CONFLICT without a finished training, ' +
      'or when it trained for another task.',
  })
  runId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      '`uploadId` of an ONNX file that POST /uploads answered. It is tried in a process of its own first: ' +
      'INVALID_MODEL says what is wrong with it.',
  })
  uploadId?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'MAJOR.MINOR.PATCH of your own, which no other version of the model has (CONFLICT). When absent: the ' +
      'next after the greatest, by what has changed.',
  })
  semanticVersion?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'What it was made with before it became ONNX, e.g. `sklearn`: 1 to 250 visible characters; that of its ' +
      'model when absent.',
  })
  framework?: string | null;

  @Field(() => String, { nullable: true, description: 'What is particular about it, as Markdown.' })
  description?: string | null;

  @Field(() => [KeyValueInput], { nullable: true, description: 'At most 100 tags.' })
  tags?: KeyValueInput[] | null;

  @Field(() => [InputColumnsInput], {
    nullable: true,
    description: `${INPUT_COLUMNS} CONFLICT for files that must be converted first.`,
  })
  inputColumns?: InputColumnsInput[] | null;

  @Field(() => [String], { nullable: true, description: `${CLASSES} CONFLICT for files that must be converted first.` })
  classes?: string[] | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'For a classifier with two classes: the label is the second class from this probability on. ' +
      'Null: the label is the more probable class, or the threshold is not known.',
  })
  decisionThreshold?: number | null;
}

@InputType({ description: 'Changes to a version; absent fields stay as they are.' })
export class UpdateModelVersionInput {
  @Field(() => ID, { description: 'The version. NOT_FOUND when it does not exist.' })
  id!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'New MAJOR.MINOR.PATCH, in DEVELOPMENT and STAGING. CONFLICT in other stages, or when another version ' +
      'of the model has it. The model card keeps what it was registered with.',
  })
  semanticVersion?: string | null;

  @Field(() => String, { nullable: true, description: 'New description, as Markdown.' })
  description?: string | null;

  @Field(() => [KeyValueInput], { nullable: true, description: 'All tags from now on, at most 100.' })
  tags?: KeyValueInput[] | null;

  @Field(() => [InputColumnsInput], {
    nullable: true,
    description:
      `${INPUT_COLUMNS} Gates passed before a change count no more. CONFLICT for a change in PRODUCTION or ` +
      'ARCHIVED, and without a model.onnx.',
  })
  inputColumns?: InputColumnsInput[] | null;

  @Field(() => [String], {
    nullable: true,
    description:
      `${CLASSES} Gates passed before a change count no more. CONFLICT for a change in PRODUCTION or ` +
      'ARCHIVED, and without a model.onnx.',
  })
  classes?: string[] | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'For a classifier with two classes: the label is the second class from this probability on. ' +
      'Null: the label is the more probable class, or the threshold is not known.',
  })
  decisionThreshold?: number | null;
}

@InputType({ description: 'Version to delete, together with its files.' })
export class DeleteModelVersionInput {
  @Field(() => ID, {
    description:
      'The version. NOT_FOUND when it does not exist; CONFLICT unless it is in DEVELOPMENT or ' +
      'STAGING, was never in PRODUCTION, is not deployed, and is not used by a running job.',
  })
  id!: string;
}

@ObjectType({ description: 'The version after the mutation.' })
export class ModelVersionPayload {
  @Field(() => ModelVersionType, { description: 'The version after this change, as a query would show it now.' })
  modelVersion!: ModelVersionType;
}
