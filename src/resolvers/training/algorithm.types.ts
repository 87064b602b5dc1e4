import { Field, Float, ObjectType } from 'type-graphql';
import {
  ALGORITHMS,
  BACKENDS,
  STRATEGIES,
  type AlgorithmName,
  type Backend,
  type FeatureKind,
  type PARAMETER_TYPES,
  type Strategy,
  type Task,
} from '../../modules/algorithms/index.js';
import { ModelTaskEnum } from '../registry/model.types.js';
import { describeEnum } from '../types/common.types.js';
import { Json } from '../types/scalars.js';
import { FeatureKindEnum } from './feature-kind.js';

export const AlgorithmEnum = describeEnum<AlgorithmName>(
  'Algorithm',
  'Algorithm of a training; `algorithms` has more about each.',
  Object.fromEntries(ALGORITHMS.map(({ name, about }) => [name, about])) as Record<AlgorithmName, string>,
);

export const TrainingBackendEnum = describeEnum<Backend>('TrainingBackend', 'Where a training runs.', BACKENDS);

export const TrainingStrategyEnum = describeEnum<Strategy>(
  'TrainingStrategy',
  'How several processes train one model together. With the same seed, each gives the model of one process, up to ' +
    'rounding; XGBoost finds its bins from the rows of all.',
  STRATEGIES,
);

type ParameterType = (typeof PARAMETER_TYPES)[number];

const ParameterTypeEnum = describeEnum<ParameterType>('ParameterType', 'What the values of a hyperparameter are.', {
  INTEGER: 'A whole number.',
  FLOAT: 'A number, whole or not.',
  BOOLEAN: 'true or false.',
  CATEGORICAL: 'One of several texts.',
  INTEGER_LIST: 'A list of whole numbers; or one text with commas, such as "64,32".',
});

@ObjectType({ description: 'Range of a number, or of the length of a list. A bound that is null does not exist.' })
export class ParameterRange {
  @Field(() => Float, { nullable: true, description: 'Smallest value.' })
  min?: number;

  @Field(() => Float, { nullable: true, description: 'The value must be above this one.' })
  above?: number;

  @Field(() => Float, { nullable: true, description: 'Largest value.' })
  max?: number;

  @Field(() => Float, { nullable: true, description: 'The value must be below this one.' })
  below?: number;

  @Field(() => String, { nullable: true, description: 'What is counted, e.g. "rows"; null for plain numbers.' })
  unit?: string;
}

@ObjectType({ description: 'A value that a hyperparameter can have.' })
export class ParameterChoice {
  @Field(() => String, { description: 'The text to give as the value.' })
  value!: string;

  @Field(() => String, { description: 'What it means.' })
  description!: string;
}

@ObjectType({ description: 'A hyperparameter has a meaning only when another one has one of some values.' })
export class ParameterCondition {
  @Field(() => String, { description: 'Name of the other hyperparameter.' })
  parameter!: string;

  @Field(() => [Json], { description: 'The values of the other one with which this one has a meaning.' })
  oneOf!: readonly unknown[];
}

@ObjectType({ description: 'Where a search looks for a good value by default.' })
export class ParameterSearchSpace {
  @Field(() => ParameterTypeEnum, { description: 'INTEGER or FLOAT with `low` and `high`, or CATEGORICAL.' })
  type!: ParameterType;

  @Field(() => Float, { nullable: true, description: 'Smallest value; null with CATEGORICAL.' })
  low?: number;

  @Field(() => Float, { nullable: true, description: 'Largest value; null with CATEGORICAL.' })
  high?: number;

  @Field(() => Boolean, { description: 'Whether equal ratios count the same, and not equal differences.' })
  log!: boolean;

  @Field(() => Float, { nullable: true, description: 'Distance between neighbouring values; null: none is set.' })
  step?: number;

  @Field(() => [Json], { nullable: true, description: 'The values of CATEGORICAL; otherwise null.' })
  choices?: readonly unknown[];
}

@ObjectType({ description: 'A hyperparameter of an algorithm: a key of `hyperparameters`.' })
export class AlgorithmParameter {
  @Field(() => String, { description: 'Name, unique in the algorithm: the key in `config.hyperparameters`.' })
  name!: string;

  @Field(() => String, { description: 'What it means.' })
  description!: string;

  @Field(() => ParameterTypeEnum, { description: 'What its values are.' })
  type!: ParameterType;

  @Field(() => ParameterRange, {
    nullable: true,
    description: 'Range of an INTEGER or FLOAT, or of the number of items of an INTEGER_LIST; null for other types.',
  })
  range?: ParameterRange;

  @Field(() => ParameterRange, {
    nullable: true,
    description: 'Range of each item of an INTEGER_LIST; otherwise null.',
  })
  itemRange?: ParameterRange;

  @Field(() => [ParameterChoice], { nullable: true, description: 'The values of CATEGORICAL; otherwise null.' })
  choices?: ParameterChoice[];

  @Field(() => Json, {
    nullable: true,
    description: 'Value when absent; null when it is not one value: then `whenAbsent` says what holds.',
  })
  default?: unknown;

  @Field(() => String, { nullable: true, description: 'What holds when absent, where `default` does not say all.' })
  whenAbsent?: string;

  @Field(() => ParameterCondition, {
    nullable: true,
    description: 'When it has a meaning; otherwise it is refused. Null: always.',
  })
  when?: ParameterCondition;

  @Field(() => ParameterSearchSpace, { nullable: true, description: 'Default search space; null: it is not searched.' })
  search?: ParameterSearchSpace;
}

@ObjectType({ description: 'An algorithm, with all that a form for a training needs.' })
export class AlgorithmDescription {
  @Field(() => AlgorithmEnum, { description: 'Name, as in `config.algorithm`.' })
  name!: AlgorithmName;

  @Field(() => String, { description: 'What it fits.' })
  description!: string;

  @Field(() => ModelTaskEnum, { description: 'Task of the models that it fits: what they predict.' })
  task!: Task;

  @Field(() => [AlgorithmParameter], { description: 'Hyperparameters, in the order of a form.' })
  parameters!: AlgorithmParameter[];

  @Field(() => Boolean, {
    description: 'Whether it stops early by default, when neither `epochs` nor `earlyStopping` is given.',
  })
  stopsEarly!: boolean;

  @Field(() => Boolean, { description: 'Whether a training can have `earlyStopping`.' })
  canStopEarly!: boolean;

  @Field(() => Boolean, { description: 'Whether rows can have weights (`sampleWeight`).' })
  sampleWeights!: boolean;

  @Field(() => [TrainingBackendEnum], { description: 'Where its trainings can run.' })
  backends!: readonly Backend[];

  @Field(() => [TrainingBackendEnum], { description: 'Where several processes can train one model (`workers`).' })
  teamsOn!: readonly Backend[];

  @Field(() => [TrainingStrategyEnum], {
    description: 'Ways in which several processes share the work (`strategy`), the default first; none: there is one.',
  })
  strategies!: readonly Strategy[];

  @Field(() => [FeatureKindEnum], { description: 'Kinds of features that it takes.' })
  featureKinds!: readonly FeatureKind[];

  @Field(() => String, { description: 'Format of the trained model: ONNX.' })
  outputFormat!: string;
}
