import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { Json } from '../types/scalars.js';
import type { Prediction } from '../../modules/serving/index.js';
import { MemberAnswerType } from './fan-out.types.js';
import { OutputTensor, TensorInput } from './tensor.types.js';
import { Range, RangeOfModule } from '../types/range.js';
import { ANY_ITEMS } from '../../modules/core/index.js';
import { CALLER_ATTRIBUTES, DEADLINE_MS, REQUEST_KEY, ROWS_PER_REQUEST } from '../../modules/serving/index.js';

@InputType({
  description: 'A fact about the caller or the request, which the rules of a traffic policy look at.',
})
export class CallerAttributeInput {
  @RangeOfModule(CALLER_ATTRIBUTES.fields.name)
  @Field(() => String, {
    description:
      'Name, e.g. `country`. BAD_USER_INPUT for names that begin with `header.` or `caller.`, which the ' +
      'service sets itself; only `routePreview` takes them.',
  })
  name!: string;

  @RangeOfModule(CALLER_ATTRIBUTES.fields.value)
  @Field(() => String, { description: 'Value as text, e.g. `DE`; rules compare it exactly.' })
  value!: string;
}

@InputType({
  description:
    'Rows to predict for at an endpoint, as named rows or as tensors. Give exactly one of ' +
    'endpointId and endpointName, and one of rows and tensors.',
})
export class PredictInput {
  @Field(() => ID, { nullable: true, description: 'Id of the endpoint. NOT_FOUND when it does not exist.' })
  endpointId?: string | null;

  @Field(() => String, { nullable: true, description: 'Name of the endpoint. NOT_FOUND when it does not exist.' })
  endpointName?: string | null;

  @RangeOfModule(ROWS_PER_REQUEST)
  @Field(() => [Json], {
    nullable: true,
    description:
      'Objects with one value per input of the model: a number; a category spelled as in the training ' +
      'file (a JSON number or boolean stands for the only category that is equal to it); null for a ' +
      'missing value, if the model accepts missing values; ISO 8601 text or epoch milliseconds for ' +
      'timestamps; a flat list for inputs with several elements per row. INVALID_TENSOR names the ' +
      'first wrong value, e.g. `rows[3].distance`.',
  })
  rows?: Record<string, unknown>[] | null;

  @Range(ANY_ITEMS)
  @Field(() => [TensorInput], {
    nullable: true,
    description:
      'One tensor per input of the model, all with the same number of rows. INVALID_TENSOR says what is wrong.',
  })
  tensors?: TensorInput[] | null;

  @RangeOfModule(REQUEST_KEY)
  @Field(() => String, {
    nullable: true,
    description:
      'Routing key, e.g. the id of a customer: requests with the same key are answered by the same ' +
      'version as long as the weights do not change. The request id when absent.',
  })
  routingKey?: string | null;

  @RangeOfModule(CALLER_ATTRIBUTES)
  @Field(() => [CallerAttributeInput], {
    nullable: true,
    description:
      'Attributes for the rules of the endpoint’s traffic policy, e.g. the country or the customer for ' +
      'whom you ask. Headers of the request are known as `header.<name>`, the token as ' +
      '`caller.subject`, `caller.role` and `caller.tenant`.',
  })
  attributes?: CallerAttributeInput[] | null;

  @RangeOfModule(DEADLINE_MS)
  @Field(() => Float, {
    nullable: true,
    description: 'Deadline; the setting PREDICT_DEADLINE_MS is the maximum and the default.',
  })
  deadlineMs?: number | null;

  @RangeOfModule(REQUEST_KEY)
  @Field(() => String, {
    nullable: true,
    description:
      'Id of the request, with which you can later read it and record its ground truth; generated when ' +
      'absent. Use each id once per endpoint: CONFLICT when this process has already answered a ' +
      'request with this id.',
  })
  requestId?: string | null;
}

@ObjectType({ description: 'Probability that a model gives to a class.', simpleResolvers: true })
export class ClassProbability {
  @Field(() => String, { description: 'Name of the class, as in `signature { classes }`.' })
  label!: string;

  @Field(() => Float, { description: 'Probability of the class, 0 to 1.' })
  probability!: number;
}

@ObjectType({
  description: 'Prediction for one row, read from the outputs by their names and shapes.',
  simpleResolvers: true,
})
export class RowPrediction {
  @Field(() => String, {
    nullable: true,
    description: 'Predicted class, or number of the cluster; null for regressions.',
  })
  label!: string | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'Predicted value, or distance to the centre of the cluster; null for classifications, and ' +
      'when it is not finite.',
  })
  value!: number | null;

  @Field(() => [Float], {
    nullable: true,
    description:
      'Probability of each class, in the order of the model’s classes, 0 to 1; null unless the ' +
      'model is a classifier with probabilities, and when one of them is not finite.',
  })
  probabilities!: number[] | null;

  @Field(() => [Float], {
    nullable: true,
    description:
      'Decision values of a classifier without probabilities, such as an SVM: one per class in the ' +
      'order of the model’s classes, or a single one. Unbounded. Null for other models, and when ' +
      'one of them is not finite.',
  })
  scores!: number[] | null;

  @Field(() => [ClassProbability], {
    nullable: true,
    description:
      'Probabilities with class names, in the same order; null when `probabilities` is null, and ' +
      'when the class names are unknown.',
  })
  probabilityByClass!: ClassProbability[] | null;
}

@ObjectType('UnknownCategory', {
  description: 'A category that the training data did not contain.',
  simpleResolvers: true,
})
export class UnknownCategoryType {
  @Field(() => Int, { description: 'Position of the row in the request, from 0.' })
  row!: number;

  @Field(() => String, { description: 'Column that has the unknown value.' })
  column!: string;

  @Field(() => String, { description: 'The category as the model received it, its first 200 characters.' })
  value!: string;
}

@ObjectType({ description: 'Answer of a model.', simpleResolvers: true })
export class PredictPayload {
  @Field(() => String, { description: 'Id of the request: given by the caller, or generated.' })
  requestId!: string;

  @Field(() => Int, { description: 'Number of predicted rows.' })
  rows!: number;

  @Field(() => Float, {
    description:
      'Latency in milliseconds, from the arrival of the checked request to the answer of the model: ' +
      'routing, waiting, batching and inference.',
  })
  latencyMs!: number;

  @Field(() => Int, {
    description: 'Number of rows in the batch of this request, together with the rows of other requests.',
  })
  batchRows!: number;

  @Field(() => [UnknownCategoryType], {
    description:
      'Categories of the request that the training data did not contain; the model handles them ' +
      'like rare categories. The first 100, input by input. Missing values are not listed. Empty ' +
      'for a model whose categories were not recorded.',
  })
  unknownCategories!: UnknownCategoryType[];

  @Field(() => Int, {
    description: 'Number of values with an unknown category, including those beyond the list.',
  })
  unknownCategoryCount!: number;

  @Field(() => [OutputTensor], { description: 'All outputs of the model, in its order.' })
  outputs!: OutputTensor[];

  @Field(() => [MemberAnswerType], {
    description:
      'What each member of an ensemble did, in their order, when the deployment runs on FAN_OUT; empty otherwise.',
  })
  members!: MemberAnswerType[];

  /** The API shows these as objects. */
  prediction!: Prediction;
}
