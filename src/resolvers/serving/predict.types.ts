import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { Json } from '../types/scalars.js';
import type { Prediction } from '../../modules/serving/index.js';
import { OutputTensor, TensorInput } from './tensor.types.js';

@InputType({
  description:
    'Rows to predict for at an endpoint, named or as tensors. Exactly one of endpointId and endpointName, ' +
    'and one of rows and tensors.',
})
export class PredictInput {
  @Field(() => ID, { nullable: true, description: 'The endpoint by its id. NOT_FOUND when there is none.' })
  endpointId?: string | null;

  @Field(() => String, { nullable: true, description: 'The endpoint by its name. NOT_FOUND when there is none.' })
  endpointName?: string | null;

  @Field(() => [Json], {
    nullable: true,
    description:
      '1 to 10,000 objects with a value per input of the model: a number; a category as the training file ' +
      'spells it (a JSON number or boolean stands for the only category that is equal to it); null for a ' +
      'missing value where the model fills it in; ISO 8601 text or epoch milliseconds for timestamps; a flat ' +
      'list for inputs of several elements per row. INVALID_TENSOR names the first wrong value, e.g. ' +
      '`rows[3].distance`.',
  })
  rows?: Record<string, unknown>[] | null;

  @Field(() => [TensorInput], {
    nullable: true,
    description:
      'One tensor per input of the model, all with the same number of rows. INVALID_TENSOR names what is wrong.',
  })
  tensors?: TensorInput[] | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Requests of one key are answered by the same version as long as the weights stay: a customer’s id, ' +
      'say. 1 to 250 characters; the request’s id when absent.',
  })
  routingKey?: string | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'Longest that it may take, in milliseconds, from 1; the setting PREDICT_DEADLINE_MS bounds it and is ' +
      'the default.',
  })
  deadlineMs?: number | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Your id of the request, 1 to 250 characters, by which it is read back and labelled later; made up ' +
      'when absent. Used once at an endpoint: CONFLICT when this process has answered it before.',
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
  description: 'The answer to one row, read from the outputs by their names and shapes.',
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
      'Predicted value, or distance to the cluster’s centre; null for classifications and where it is not finite.',
  })
  value!: number | null;

  @Field(() => [Float], {
    nullable: true,
    description:
      'Probability of each class in the model’s order, 0 to 1; null unless it is a classification with ' +
      'probabilities, and where one is not finite.',
  })
  probabilities!: number[] | null;

  @Field(() => [Float], {
    nullable: true,
    description:
      'Decision values of a classifier that gives no probabilities, as an SVM without them does: one per ' +
      'class in the model’s order, or one in all. Unbounded; null otherwise, and where one is not finite.',
  })
  scores!: number[] | null;

  @Field(() => [ClassProbability], {
    nullable: true,
    description:
      'The same with the names of the classes, in the same order; null when `probabilities` is, and when ' +
      'nobody has said the names.',
  })
  probabilityByClass!: ClassProbability[] | null;
}

@ObjectType('UnknownCategory', {
  description: 'A category that the model never saw in its training.',
  simpleResolvers: true,
})
export class UnknownCategoryType {
  @Field(() => Int, { description: 'Position of the row in the request, from 0.' })
  row!: number;

  @Field(() => String, { description: 'The column of the request’s rows that the category was given for.' })
  column!: string;

  @Field(() => String, { description: 'The category as the model was given it, its first 200 characters.' })
  value!: string;
}

@ObjectType({ description: 'What a model answered.', simpleResolvers: true })
export class PredictPayload {
  @Field(() => String, { description: 'Your id of the request, or the one that was made up.' })
  requestId!: string;

  @Field(() => Int, { description: 'Rows that were predicted.' })
  rows!: number;

  @Field(() => Float, {
    description:
      'From the arrival of the checked request to the answer of the model, in milliseconds: routing, ' +
      'waiting, batching and running.',
  })
  latencyMs!: number;

  @Field(() => Int, {
    description: 'Rows of the batch that the request ran in, together with others that came at the same time.',
  })
  batchRows!: number;

  @Field(() => [UnknownCategoryType], {
    description:
      'Categories of the request that the model never saw in its training, and answered as one of the rare ' +
      'ones: the first 100, input by input. A missing value is not one. Empty for a model whose categories ' +
      'nobody recorded.',
  })
  unknownCategories!: UnknownCategoryType[];

  @Field(() => Int, {
    description: 'How many values of the request are such categories, those beyond the list included.',
  })
  unknownCategoryCount!: number;

  @Field(() => [OutputTensor], { description: 'Every output of the model, in its order.' })
  outputs!: OutputTensor[];

  /** Shown as objects. */
  prediction!: Prediction;
}
