import { Field, ID, InputType } from 'type-graphql';
import { describeOrderFields, KeyValueInput, OrderDirection } from '../types/common.types.js';
import { DateTime } from '../types/scalars.js';
import { RunState, RunStatus } from './run.types.js';
import { characters, MAX_COMPARISONS, PATTERN, SEARCH_TEXT } from '../../modules/core/index.js';
import { Range, RangeOfModule } from '../types/range.js';

type OrderField = 'createdAt' | 'startedAt' | 'endedAt' | 'name' | 'status' | 'createdBy' | 'metric' | 'param' | 'tag';

const RunOrderField = describeOrderFields<OrderField>('RunOrderField', 'Fields by which runs can be sorted.', {
  CREATED_AT: ['createdAt', 'Time of creation.'],
  STARTED_AT: ['startedAt', 'Start time.'],
  ENDED_AT: ['endedAt', 'End time; runs that have not ended come last.'],
  NAME: ['name', 'Name, in code point order.'],
  STATUS: ['status', 'Status, in alphabetical order.'],
  CREATED_BY: ['createdBy', 'Subject of the token that started the run.'],
  METRIC: ['metric', 'Newest value of the metric named in `key`; NaN after all numbers, runs without the metric last.'],
  PARAM: ['param', 'Text of the parameter named in `key`, in code point order; runs without the parameter last.'],
  TAG: ['tag', 'Text of the tag named in `key`, in code point order; runs without the tag last.'],
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
  description: 'Condition on a parameter or tag; all given fields must match. With only the key: the key must exist.',
})
class TextMatchInput {
  @Range(characters(1, 250))
  @Field(() => String, { description: 'Key of the parameter or tag.' })
  key!: string;

  @RangeOfModule(PATTERN)
  @Field(() => String, {
    nullable: true,
    description: 'Pattern: % matches any text and _ matches any single character; at most 20 %.',
  })
  like?: string | null;

  @Field(() => [String], {
    nullable: true,
    description: 'One of these texts; an empty list matches nothing.',
  })
  in?: string[] | null;

  @Field(() => Boolean, { nullable: true, description: 'False: runs without the key. True: runs with the key.' })
  isSet?: boolean | null;
}

@InputType({
  description: 'Condition on data that a run read, logged or registered. One dataset must match all given fields.',
})
class RunDatasetFilterInput {
  @Field(() => String, { nullable: true, description: 'Exact name of the dataset; case-sensitive.' })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'Digest as logged, or SHA-256 of a registered dataset.' })
  digest?: string | null;

  @Field(() => String, { nullable: true, description: 'Purpose of the data, e.g. `training`.' })
  context?: string | null;
}

@InputType({
  description:
    'A condition on runs; all given fields must match, and an empty list is no condition. At most ' +
    '50 comparisons in total, 20 levels deep.',
})
class RunConditionInput {
  @Field(() => [RunStatus], { nullable: true, description: 'Runs with one of these statuses.' })
  status?: (keyof typeof RunStatus)[] | null;

  @Range({ max: MAX_COMPARISONS, unit: 'conditions' })
  @Field(() => [RunDatasetFilterInput], {
    nullable: true,
    description: 'Runs that match all of these conditions on their input data.',
  })
  datasets?: RunDatasetFilterInput[] | null;

  @Range(SEARCH_TEXT)
  @Field(() => String, {
    nullable: true,
    description: 'Text that the name contains, case-insensitive.',
  })
  search?: string | null;

  @Field(() => [String], { nullable: true, description: 'Runs that were started by one of these token subjects.' })
  createdBy?: string[] | null;

  @Field(() => DateTime, { nullable: true, description: 'Runs that started at this time or later.' })
  startedFrom?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Runs that started before this time.' })
  startedTo?: Date | null;

  @Range({ max: MAX_COMPARISONS, unit: 'conditions' })
  @Field(() => [KeyValueInput], {
    nullable: true,
    description: 'Parameters that a run must have, with exactly these values.',
  })
  params?: KeyValueInput[] | null;

  @Range({ max: MAX_COMPARISONS, unit: 'conditions' })
  @Field(() => [TextMatchInput], { nullable: true, description: 'Other conditions on parameters.' })
  paramsMatching?: TextMatchInput[] | null;

  @Range({ max: MAX_COMPARISONS, unit: 'conditions' })
  @Field(() => [KeyValueInput], {
    nullable: true,
    description: 'Tags that a run must have, with exactly these values.',
  })
  tags?: KeyValueInput[] | null;

  @Range({ max: MAX_COMPARISONS, unit: 'conditions' })
  @Field(() => [TextMatchInput], { nullable: true, description: 'Other conditions on tags.' })
  tagsMatching?: TextMatchInput[] | null;

  @Range({ max: MAX_COMPARISONS, unit: 'conditions' })
  @Field(() => [MetricFilterInput], { nullable: true, description: 'Conditions on the newest metric values.' })
  metrics?: MetricFilterInput[] | null;

  @Range({ max: MAX_COMPARISONS, unit: 'conditions' })
  @Field(() => [RunConditionInput], { nullable: true, description: 'Every one of these conditions must match.' })
  and?: RunConditionInput[] | null;

  @Range({ max: MAX_COMPARISONS, unit: 'conditions' })
  @Field(() => [RunConditionInput], {
    nullable: true,
    description: 'At least one of these conditions must match, if any are given.',
  })
  or?: RunConditionInput[] | null;

  @Field(() => RunConditionInput, {
    nullable: true,
    description: 'This condition must not match. A run without the key does not match a condition on it.',
  })
  not?: RunConditionInput | null;
}

@InputType({
  description:
    'Filter for runs; all given fields must match, and an empty list is no condition. At most 50 ' +
    'comparisons in total, 20 levels deep.',
})
export class RunFilterInput extends RunConditionInput {
  @Field(() => [ID], {
    nullable: true,
    description: 'Runs of these experiments. NOT_FOUND when one does not exist.',
  })
  experimentIds?: string[] | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Child runs of this run. NOT_FOUND when it does not exist.',
  })
  parentRunId?: string | null;

  @Field(() => [ID], {
    nullable: true,
    description: 'Runs that used one of these datasets. NOT_FOUND when one does not exist.',
  })
  datasetIds?: string[] | null;

  @Field(() => [RunState], {
    nullable: true,
    description: 'Active runs, deleted runs, or both; active runs when absent.',
  })
  states?: (keyof typeof RunState)[] | null;
}

@InputType({
  description: 'One key of the sort order of a list of runs. Runs with equal values in all keys are sorted by id.',
})
export class RunOrderInput {
  @Field(() => RunOrderField, { description: 'Field whose values determine the order.' })
  field!: OrderField;

  @Field(() => String, {
    nullable: true,
    description: 'Name of the metric, parameter or tag; required for METRIC, PARAM and TAG, not allowed otherwise.',
  })
  key?: string | null;

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}
