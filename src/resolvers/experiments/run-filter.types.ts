import { Field, ID, InputType } from 'type-graphql';
import { describeOrderFields, KeyValueInput, OrderDirection } from '../types/common.types.js';
import { DateTime } from '../types/scalars.js';
import { RunState, RunStatus } from './run.types.js';

type OrderField = 'createdAt' | 'startedAt' | 'endedAt' | 'name' | 'status' | 'createdBy' | 'metric' | 'param' | 'tag';

const RunOrderField = describeOrderFields<OrderField>('RunOrderField', 'What runs can be ordered by.', {
  CREATED_AT: ['createdAt', 'Time of creation.'],
  STARTED_AT: ['startedAt', 'When they started.'],
  ENDED_AT: ['endedAt', 'When they ended; those that go on come last.'],
  NAME: ['name', 'Name, in code point order.'],
  STATUS: ['status', 'Where they stand, in the order of the words.'],
  CREATED_BY: ['createdBy', 'Subject of the token that started them.'],
  METRIC: ['metric', 'Newest value of the metric named by `key`; NaN after all numbers, runs without it last.'],
  PARAM: ['param', 'Text of the parameter named by `key`, in code point order; runs without it last.'],
  TAG: ['tag', 'Text of the tag named by `key`, in code point order; runs without it last.'],
});

@InputType({
  description:
    'Condition on the newest value of a metric. NaN matches no bound. Without bounds: the metric must exist.',
})
class MetricFilterInput {
  @Field(() => String, { description: 'Name of the metric.' })
  key!: string;

  @Field(() => Number, { nullable: true, description: 'Smallest value, inclusive; no lower bound when absent.' })
  min?: number | null;

  @Field(() => Number, { nullable: true, description: 'Largest value, inclusive; no upper bound when absent.' })
  max?: number | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'False: runs that never logged the metric. True: runs that logged it.',
  })
  isSet?: boolean | null;
}

@InputType({
  description: 'A condition on a parameter or tag; all that is given must hold. With the key alone, it must be there.',
})
class TextMatchInput {
  @Field(() => String, { description: 'The key that is looked at, 1 to 250 characters.' })
  key!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'Pattern in which % stands for any text and _ for any one character; at most 1,000 characters and 20 %.',
  })
  like?: string | null;

  @Field(() => [String], { nullable: true, description: 'One of these texts, at most 1,000; nothing is one of none.' })
  in?: string[] | null;

  @Field(() => Boolean, { nullable: true, description: 'False for runs without the key, true for those that have it.' })
  isSet?: boolean | null;
}

@InputType({
  description: 'Data that a run read, as it was logged or registered; all that is given must hold of some of it.',
})
class RunDatasetFilterInput {
  @Field(() => String, { nullable: true, description: 'Name of the dataset, in full and with its case.' })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'Its digest as logged, or the SHA-256 of a registered one.' })
  digest?: string | null;

  @Field(() => String, { nullable: true, description: 'What it was used for, e.g. `training`.' })
  context?: string | null;
}

@InputType({
  description:
    'A condition on runs; every given field must hold, and an empty list is no condition. At most 50 ' +
    'comparisons in all, 20 levels deep.',
})
class RunConditionInput {
  @Field(() => [RunStatus], { nullable: true, description: 'Runs in one of these states.' })
  status?: (keyof typeof RunStatus)[] | null;

  @Field(() => [RunDatasetFilterInput], { nullable: true, description: 'Runs that read data of each of these kinds.' })
  datasets?: RunDatasetFilterInput[] | null;

  @Field(() => String, {
    nullable: true,
    description: 'Text that the name contains, case-insensitive; at most 200 characters.',
  })
  search?: string | null;

  @Field(() => [String], { nullable: true, description: 'Runs started with a token of one of these subjects.' })
  createdBy?: string[] | null;

  @Field(() => DateTime, { nullable: true, description: 'Runs that started then or later.' })
  startedFrom?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Runs that started before.' })
  startedTo?: Date | null;

  @Field(() => [KeyValueInput], { nullable: true, description: 'Parameters that a run has with exactly these values.' })
  params?: KeyValueInput[] | null;

  @Field(() => [TextMatchInput], { nullable: true, description: 'Other conditions on parameters.' })
  paramsMatching?: TextMatchInput[] | null;

  @Field(() => [KeyValueInput], { nullable: true, description: 'Tags that a run has with exactly these values.' })
  tags?: KeyValueInput[] | null;

  @Field(() => [TextMatchInput], { nullable: true, description: 'Other conditions on tags.' })
  tagsMatching?: TextMatchInput[] | null;

  @Field(() => [MetricFilterInput], { nullable: true, description: 'Bounds on newest metric values.' })
  metrics?: MetricFilterInput[] | null;

  @Field(() => [RunConditionInput], { nullable: true, description: 'Each of these must hold.' })
  and?: RunConditionInput[] | null;

  @Field(() => [RunConditionInput], {
    nullable: true,
    description: 'At least one of these must hold, where any are given.',
  })
  or?: RunConditionInput[] | null;

  @Field(() => RunConditionInput, {
    nullable: true,
    description: 'This must not hold; a run that lacks the key does not hold it.',
  })
  not?: RunConditionInput | null;
}

@InputType({
  description:
    'Which runs to list; every given field must hold, and an empty list is no condition. At most 50 ' +
    'comparisons in all, 20 levels deep.',
})
export class RunFilterInput extends RunConditionInput {
  @Field(() => [ID], {
    nullable: true,
    description: 'Runs of one of these experiments. NOT_FOUND for an id that is none.',
  })
  experimentIds?: string[] | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Runs that are parts of this one. NOT_FOUND for an id that is none.',
  })
  parentRunId?: string | null;

  @Field(() => [ID], {
    nullable: true,
    description: 'Runs that used one of these datasets. NOT_FOUND for an id that is none.',
  })
  datasetIds?: string[] | null;

  @Field(() => [RunState], {
    nullable: true,
    description: 'Runs in use, put aside, or both; those in use when absent.',
  })
  states?: (keyof typeof RunState)[] | null;
}

@InputType({
  description: 'One key of the order of a list of runs. Runs that are equal in all keys are in the order of their ids.',
})
export class RunOrderInput {
  @Field(() => RunOrderField, { description: 'Field to sort by.' })
  field!: OrderField;

  @Field(() => String, {
    nullable: true,
    description: 'Name of the metric, parameter or tag for METRIC, PARAM and TAG; for no other field.',
  })
  key?: string | null;

  @Field(() => OrderDirection, { description: 'Direction of the order.' })
  direction!: OrderDirection;
}
