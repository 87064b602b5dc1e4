import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { Conversion, RowIndependence, Signature } from '../../modules/model-contract/index.js';
import type { SourceFolder } from '../../modules/registry/index.js';
import { describeEnum, describeOrderFields, KeyValueInput, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, MetricValue, SafeInt } from '../types/scalars.js';
import { ColumnTypeEnum } from '../datasets/dataset.types.js';
import { StageEnum, type StageName } from './model.types.js';

export const VersionStatusEnum = describeEnum('ModelVersionStatus', 'Whether the files of a version are stored.', {
  PENDING: 'Being stored; after a crash the service goes on by itself.',
  READY: 'Stored whole: it can be evaluated, promoted and deployed.',
  FAILED: 'Given up; `error` says why.',
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

export const DatatypeEnum = describeEnum('Datatype', 'Element type of a tensor, by its Open Inference Protocol name.', {
  BOOL: 'True or false.',
  INT8: 'Integers of 8 bits.',
  INT16: 'Integers of 16 bits.',
  INT32: 'Integers of 32 bits.',
  INT64: 'Integers of 64 bits; in JSON up to 2^53 - 1, outputs beyond that as decimal strings.',
  UINT8: 'Integers from 0 to 255.',
  FP32: 'Floats of 32 bits.',
  FP64: 'Floats of 64 bits.',
  BYTES: 'Text in UTF-8.',
});

const OutputMeaningEnum = describeEnum('OutputMeaning', 'What an output of a model is.', {
  LABEL: 'A class for each row.',
  CLUSTER: 'The number of a cluster for each row.',
  PROBABILITIES: 'A probability for each class, or that of the second of two.',
  SCORES: 'Decision values: larger is likelier, but they need not lie between 0 and 1.',
  DISTANCES: 'Distances, to each cluster’s centre for example: smaller is nearer.',
});

export const ModelVersionOrderField = describeOrderFields<'createdAt' | 'updatedAt' | 'version'>(
  'ModelVersionOrderField',
  'What model versions can be ordered by.',
  {
    CREATED_AT: ['createdAt', 'When they were registered.'],
    UPDATED_AT: ['updatedAt', 'When they last changed, stages included.'],
    VERSION: ['version', 'Their numbers, which begin with 1 in each model.'],
  },
);

@ObjectType('InputColumn', {
  description: 'The column of a dataset, or of a named row, that fills one element of an input.',
})
export class InputColumnType {
  @Field(() => String, { description: 'Name of the column, as in datasets and in the rows of `predict`.' })
  name!: string;

  @Field(() => ColumnTypeEnum, { description: 'What its values are.' })
  type!: keyof typeof ColumnTypeEnum;

  @Field(() => [String], {
    nullable: true,
    description:
      'The categories that the training rows had, as the file spells them, the most frequent first: at most ' +
      '2,000. `predict`, batch inference and monitoring tell of any other. Null for numbers and times, and ' +
      'where nobody recorded them.',
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

@ObjectType('ModelSignature', { description: 'What a model takes and gives.' })
export class ModelSignatureType {
  @Field(() => [TensorSpecType], { description: 'Inputs, in the file’s order.' })
  inputs!: TensorSpecType[];

  @Field(() => [TensorSpecType], { description: 'Outputs, in the file’s order.' })
  outputs!: TensorSpecType[];

  @Field(() => [String], {
    nullable: true,
    description:
      'Of a classifier: the class of each probability, in order. Null when neither the file nor anybody says.',
  })
  classes?: string[] | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'Of a classifier of two classes: the label is the second one from this probability on. Null when it is ' +
      'the more probable one, or nobody says.',
  })
  decisionThreshold?: number | null;

  @Field(() => RowIndependenceType, {
    nullable: true,
    description:
      'Whether requests may run together; null for a version that was registered before this was recorded, ' +
      'though it is found out again whenever the model is loaded.',
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

@ObjectType('ModelVersion', { description: 'One model file with what is known about it; the file never changes.' })
export class ModelVersionType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => Int, { description: 'Number within the model, from 1, never given twice.' })
  version!: number;

  @Field(() => String, {
    description:
      'MAJOR.MINOR.PATCH, unique in the model: major for a signature to which callers must adapt, minor for ' +
      'a new training, patch for the same training again, or as somebody set it.',
  })
  semanticVersion!: string;

  @Field(() => StageEnum, { description: 'Where it stands.' })
  stage!: StageName;

  @Field(() => VersionStatusEnum, { description: 'Whether its files are stored.' })
  status!: keyof typeof VersionStatusEnum;

  @Field(() => String, { nullable: true, description: 'Why it FAILED; null otherwise.' })
  error?: string | null;

  @Field(() => String, { description: 'What is particular about it, as Markdown; may be empty.' })
  description!: string;

  @Field(() => SafeInt, { nullable: true, description: 'Size of model.onnx in bytes; null as long as there is none.' })
  sizeBytes?: number | null;

  @Field(() => String, {
    nullable: true,
    description: 'SHA-256 of model.onnx, hexadecimal; null as long as there is none.',
  })
  sha256?: string | null;

  @Field(() => ModelSignatureType, {
    nullable: true,
    description:
      'What model.onnx takes and gives; null as long as there is none, for a version that came with files of ' +
      'another framework.',
  })
  signature?: Signature | null;

  /** Shown as an object. */
  conversion?: Conversion | null;

  @Field(() => MetricValue, {
    nullable: true,
    description:
      'Largest absolute difference between the trainer’s outputs and the runtime’s; null for an uploaded ' +
      'file, which has no trainer here.',
  })
  agreementMaxAbsDiff?: number | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Where the files it was registered with are, e.g. `models:/m-…` or `runs:/…`; null for a training or ' +
      'an upload of this service.',
  })
  sourceUri?: string | null;

  @Field(() => String, { description: 'Subject of the token that registered it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it was registered, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'When it last changed, stages included, UTC.' })
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

@InputType({ description: 'Which model versions to list; every given field must hold.' })
export class ModelVersionFilterInput {
  @Field(() => String, {
    nullable: true,
    description:
      'Text that the description, semantic version, a tag’s key or value, or the model’s name contains, ' +
      'whatever its case; at most 200 characters.',
  })
  search?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Versions under this name alone; NOT_FOUND when the tenant has no such model.',
  })
  modelId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Versions that this run trained.' })
  runId?: string | null;

  @Field(() => [StageEnum], { nullable: true, description: 'Versions in one of these stages.' })
  stage?: StageName[] | null;

  @Field(() => VersionStatusEnum, { nullable: true, description: 'Versions whose files are so far.' })
  status?: keyof typeof VersionStatusEnum | null;

  @Field(() => String, {
    nullable: true,
    description: 'Versions with exactly this framework, their own or else their model’s, e.g. `sklearn`.',
  })
  framework?: string | null;

  @Field(() => String, { nullable: true, description: 'Versions of models of exactly this kind.' })
  modelType?: string | null;

  @Field(() => [KeyValueInput], {
    nullable: true,
    description: 'Tags that the version carries, all of them; at most 100.',
  })
  tags?: KeyValueInput[] | null;
}

@InputType({
  description:
    'The order of a list of model versions: by what, and which end comes first. Equal ones are in the order ' +
    'of their ids.',
})
export class ModelVersionOrderInput {
  @Field(() => ModelVersionOrderField, { description: 'What to order by.' })
  field!: 'createdAt' | 'updatedAt' | 'version';

  @Field(() => OrderDirection, { description: 'Which end comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'What is to be known of one input of a model, beyond its file.' })
export class InputColumnsInput {
  @Field(() => String, { nullable: true, description: 'Name of the input in the signature; the only one when absent.' })
  input?: string | null;

  @Field(() => [String], {
    nullable: true,
    description:
      'Columns that fill the elements of a row, in the order that the model was trained with: as many as a ' +
      'row of the input has, each once, 1 to 1,000 characters. Unchanged when absent.',
  })
  columns?: string[] | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Whether the model takes missing values there: NaN in inputs of floats, the empty text in those of ' +
      'text. Unchanged when absent; the service tries it at registration.',
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
  @Field(() => ID, { description: 'The model. NOT_FOUND when there is none.' })
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
      'Of a classifier of two classes: the label is the second one from this probability on. Null when it is ' +
      'the more probable one, or nobody says.',
  })
  decisionThreshold?: number | null;
}

@InputType({ description: 'Changes to a version; absent fields stay as they are.' })
export class UpdateModelVersionInput {
  @Field(() => ID, { description: 'The version. NOT_FOUND when there is none.' })
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
      'Of a classifier of two classes: the label is the second one from this probability on. Null when it is ' +
      'the more probable one, or nobody says.',
  })
  decisionThreshold?: number | null;
}

@InputType({ description: 'Which version to remove together with its files.' })
export class DeleteModelVersionInput {
  @Field(() => ID, {
    description:
      'The version. NOT_FOUND when there is none; CONFLICT unless it is in DEVELOPMENT or STAGING, never was ' +
      'in PRODUCTION, and is neither deployed nor at work.',
  })
  id!: string;
}

@ObjectType({ description: 'The version after the mutation.' })
export class ModelVersionPayload {
  @Field(() => ModelVersionType, { description: 'The version after this change, as a query would show it now.' })
  modelVersion!: ModelVersionType;
}
