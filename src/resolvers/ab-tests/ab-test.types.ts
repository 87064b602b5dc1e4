import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { AB_TEST_RANGES, type Decision, type TestRules } from '../../modules/ab-tests/index.js';
import { NAME, SEARCH_TEXT } from '../../modules/core/index.js';
import { AbTestMetricRoleEnum, AbTestDecisionType } from './ab-test-look.types.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { Range, RangeOfModule } from '../types/range.js';
import { DateTime, SafeInt } from '../types/scalars.js';

export const AbTestStatusEnum = describeEnum('AbTestStatus', 'Where an A/B test is in its life.', {
  PLANNED: 'It waits for its start; what the keys of the endpoint do is counted as their past.',
  RUNNING: 'It divides the traffic; its weights are fixed.',
  DECIDED: 'Its rules have ended it; `decision` says how.',
  STOPPED: 'A person has ended it without a decision.',
});

export const AbTestDesignEnum = describeEnum('AbTestDesign', 'When an A/B test may be decided.', {
  FIXED: 'Once, at the planned number of keys: Welch’s t-test, or two proportions for ANY.',
  GROUP_SEQUENTIAL:
    'At planned looks, by bounds of the O’Brien–Fleming type (Lan and DeMets): the fewest keys on average.',
  CONFIDENCE_SEQUENCE:
    'At any time, by an interval that holds at all times together (Howard; Waudby-Smith): the widest at each of them.',
});

export const AbTestMetricSourceEnum = describeEnum('AbTestMetricSource', 'Where the values of a metric come from.', {
  OUTPUT: 'What the model answered, row by row: the value, or the probability of the second class.',
  LATENCY: 'Milliseconds of each request.',
  ERRORS: 'Whether the service failed the request: 1, otherwise 0.',
  OUTCOME: 'What clients record by recordOutcomes under the name of the metric.',
  GROUND_TRUTH:
    'The error of each answer whose truth recordGroundTruth or importGroundTruth has told: 1 for a wrong class and 0 ' +
    'for the right one, or the squared difference of a value. A truth that is revised replaces the former one.',
});

export const AbTestAggregationEnum = describeEnum(
  'AbTestAggregation',
  'How the values of a routing key become one. Keys are compared, never single predictions.',
  {
    MEAN: 'Sum of the values over their count, of all keys together; its error by the delta method.',
    SUM: 'Sum of the values of each key, 0 for a key without one.',
    ANY: 'Whether the sum of a key is above 0: the share of keys with the outcome.',
  },
);

export const AbTestMetricTestEnum = describeEnum(
  'AbTestMetricTest',
  'What compares the values of the routing keys. Others than MEANS need the design FIXED, and are no guards.',
  {
    MEANS: 'Their means, by the design of the test; FIXED: Welch’s t-test, or two proportions for ANY.',
    MANN_WHITNEY:
      'Their ranks (MEAN and SUM): `difference` is Cliff’s delta, the probability that a key of the variant has a ' +
      'larger value than one of the control, minus that of a smaller one.',
    CHI_SQUARE:
      'Counts of keys with and without the outcome (ANY), of all variants at once; then each variant against the control.',
  },
);

export const AbTestWantedEnum = describeEnum('AbTestWanted', 'Which change of a metric is an improvement.', {
  INCREASE: 'A larger value is better.',
  DECREASE: 'A smaller value is better.',
});

export const AbTestCorrectionEnum = describeEnum('AbTestCorrection', 'How several comparisons are corrected.', {
  HOLM: 'The chance of any false claim is at most alpha (Holm 1979).',
  BENJAMINI_HOCHBERG: 'The expected share of false claims is at most alpha (Benjamini and Hochberg 1995).',
});

export const AbTestWhenDecidedEnum = describeEnum(
  'AbTestWhenDecided',
  'What a test does with the traffic at its end.',
  {
    KEEP_WEIGHTS: 'The weights stay; people set them. After harm, all traffic goes to the control all the same.',
    ROUTE_TO_WINNER: 'All traffic goes to the winner; without one the weights stay.',
  },
);

export const AbTestOrderField = describeOrderFields<'createdAt' | 'name'>(
  'AbTestOrderField',
  'Fields by which A/B tests can be sorted.',
  { CREATED_AT: ['createdAt', 'Time of planning.'], NAME: ['name', 'Name, in the order of its letters.'] },
);

@ObjectType('AbTestVariant', { description: 'A variant: a deployment and its share of the routing keys.' })
export class AbTestVariantType {
  @Field(() => String, { description: 'Name, unique in the test.' })
  name!: string;

  @Field(() => Int, { description: 'Share of the routing keys in basis points; those of all variants sum to 10,000.' })
  weightBps!: number;

  /** The API shows it as an object. */
  deploymentId!: string;
}

@ObjectType('AbTestMetric', {
  description: 'A measured quantity that is compared between the variants of an A/B test.',
})
export class AbTestMetricType {
  @Field(() => String, {
    description: 'Name, unique in the test; of outcomes, the name under which they are recorded.',
  })
  name!: string;

  @Field(() => AbTestMetricRoleEnum, { description: 'Whether it decides, is reported beside, or guards.' })
  role!: keyof typeof AbTestMetricRoleEnum;

  @Field(() => AbTestMetricSourceEnum, { description: 'Where its values come from.' })
  source!: keyof typeof AbTestMetricSourceEnum;

  @Field(() => AbTestAggregationEnum, { description: 'How the values of a key become one.' })
  aggregation!: keyof typeof AbTestAggregationEnum;

  @Field(() => AbTestWantedEnum, { description: 'Which change is an improvement.' })
  wanted!: keyof typeof AbTestWantedEnum;

  @Field(() => Float, { description: 'Of a guard: harm up to this is accepted, in units of the metric; otherwise 0.' })
  margin!: number;

  @Field(() => AbTestMetricTestEnum, { description: 'What compares the values of its keys.' })
  test!: keyof typeof AbTestMetricTestEnum;

  @Field(() => Float, {
    nullable: true,
    description: 'Percentile at which values of keys are cut, of all variants together; null when they are not.',
  })
  winsorPercentile?: number | null;
}

@ObjectType('AbTestPlan', { description: 'Power and duration of an A/B test, before its start.' })
export class AbTestPlanType {
  @Field(() => Float, { description: 'Standard deviation of a key’s value of the primary metric, given or measured.' })
  standardDeviation!: number;

  @Field(() => SafeInt, { description: 'Routing keys that it needs at most, of all variants together.' })
  plannedKeys!: number;

  @Field(() => SafeInt, { description: 'Routing keys that it needs on average if the minimum effect is there.' })
  expectedKeys!: number;

  @Field(() => Float, { description: '`plannedKeys` as a multiple of what a test with one look needs, 1 or more.' })
  inflation!: number;

  @Field(() => Float, { nullable: true, description: 'Different routing keys per day, given or measured, if known.' })
  keysPerDay?: number | null;

  @Field(() => Float, { nullable: true, description: 'Days until `plannedKeys` are there, if known; 0 or more.' })
  days?: number | null;
}

@ObjectType('AbTest', {
  description:
    'A comparison of deployments of one endpoint on its live traffic. Routing keys are divided between the variants and ' +
    'are the unit of every test; the first variant is the control.',
})
export class AbTestType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, { description: 'Name, unique among the A/B tests of the tenant.' })
  name!: string;

  @Field(() => AbTestStatusEnum, { description: 'Where it is in its life.' })
  status!: keyof typeof AbTestStatusEnum;

  @Field(() => Float, { description: 'Smallest difference of the primary metric that matters, in its unit; not 0.' })
  minimumEffect!: number;

  @Field(() => Float, { description: 'Probability to prove the minimum effect if it is there.' })
  power!: number;

  @Field(() => Float, { description: 'Hours for which it runs at least before a winner is named.' })
  minHours!: number;

  @Field(() => Float, { description: 'Hours after which it ends without the planned keys.' })
  maxHours!: number;

  @Field(() => AbTestWhenDecidedEnum, { description: 'What it does with the traffic at its end.' })
  whenDecided!: keyof typeof AbTestWhenDecidedEnum;

  @Field(() => DateTime, {
    nullable: true,
    description: 'Time from which predictions count, UTC; null before the start.',
  })
  startedAt?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Time of its end, UTC; null before it.' })
  endedAt?: Date | null;

  @Field(() => AbTestDecisionType, { nullable: true, description: 'How it ended; null before that.' })
  decision?: Decision | null;

  @Field(() => String, { description: 'Subject of the token that planned it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time of planning, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'Time of the last change, UTC.' })
  updatedAt!: Date;

  /** The API shows these as fields and objects. */
  rules!: TestRules;
  endpointId!: string;
  keyRows!: number;
}

export const AbTestConnection = connectionOf(AbTestType, 'AbTest', 'A/B tests');

@InputType({ description: 'A variant: a live, ready deployment of the endpoint, and its share of the keys.' })
export class AbTestVariantInput {
  @RangeOfModule(NAME)
  @Field(() => String, { description: 'Name, unique in the test.' })
  name!: string;

  @Field(() => ID, {
    description: 'The deployment. NOT_FOUND when it does not exist; CONFLICT unless it is live and ready.',
  })
  deploymentId!: string;

  @Range(AB_TEST_RANGES.weightBps)
  @Field(() => Int, { description: 'Share of the routing keys in basis points; those of all variants sum to 10,000.' })
  weightBps!: number;
}

@InputType({ description: 'A measured quantity that is compared between the variants of an A/B test.' })
export class AbTestMetricInput {
  @RangeOfModule(NAME)
  @Field(() => String, {
    description: 'Name, unique in the test; of outcomes, the name under which they are recorded.',
  })
  name!: string;

  @Field(() => AbTestMetricRoleEnum, { description: 'What it is for; exactly one metric is PRIMARY.' })
  role!: keyof typeof AbTestMetricRoleEnum;

  @Field(() => AbTestMetricSourceEnum, { description: 'Where its values come from.' })
  source!: keyof typeof AbTestMetricSourceEnum;

  @Field(() => AbTestAggregationEnum, { defaultValue: 'MEAN', description: 'How the values of a key become one.' })
  aggregation!: keyof typeof AbTestAggregationEnum;

  @Field(() => AbTestWantedEnum, { description: 'Which change is an improvement.' })
  wanted!: keyof typeof AbTestWantedEnum;

  @Range(AB_TEST_RANGES.margin)
  @Field(() => Float, {
    nullable: true,
    description: 'Of a guard: harm up to this is accepted, in units of the metric; 0 when absent.',
  })
  margin?: number | null;

  @Field(() => AbTestMetricTestEnum, {
    defaultValue: 'MEANS',
    description:
      'What compares the values of the keys. BAD_USER_INPUT when it does not fit design, role or aggregation.',
  })
  test!: keyof typeof AbTestMetricTestEnum;

  @RangeOfModule(AB_TEST_RANGES.winsorPercentile)
  @Field(() => Float, {
    nullable: true,
    description:
      'Of SUM: a key with more than this percentile (e.g. 99) of the keys of all variants counts as the percentile, ' +
      'one with less than the opposite percentile as that (winsorising). Absent: values count as they are.',
  })
  winsorPercentile?: number | null;
}

@InputType({ description: 'Endpoint, variants, metrics and rules of a comparison on live traffic.' })
export class PlanAbTestInput {
  @RangeOfModule(NAME)
  @Field(() => String, { description: 'Name. CONFLICT when another A/B test of the tenant has it.' })
  name!: string;

  @Field(() => ID, {
    description:
      'Endpoint whose traffic is divided. NOT_FOUND when it does not exist; CONFLICT when it has an A/B test that is not over.',
  })
  endpointId!: string;

  @RangeOfModule(AB_TEST_RANGES.variants)
  @Field(() => [AbTestVariantInput], {
    description: 'The control first. CONFLICT when the signatures of their versions differ.',
  })
  variants!: AbTestVariantInput[];

  @RangeOfModule(AB_TEST_RANGES.metrics)
  @Field(() => [AbTestMetricInput], { description: 'One PRIMARY metric, and others.' })
  metrics!: AbTestMetricInput[];

  @Field(() => Float, {
    description: 'Smallest difference of the primary metric that matters, in its unit. BAD_USER_INPUT when it is 0.',
  })
  minimumEffect!: number;

  @Field(() => AbTestDesignEnum, { defaultValue: 'GROUP_SEQUENTIAL', description: 'When it may be decided.' })
  design!: keyof typeof AbTestDesignEnum;

  @RangeOfModule(AB_TEST_RANGES.alpha)
  @Field(() => Float, { defaultValue: 0.05, description: 'Highest probability of a false winner.' })
  alpha!: number;

  @Range(AB_TEST_RANGES.power)
  @Field(() => Float, { defaultValue: 0.8, description: 'Probability to prove the minimum effect if it is there.' })
  power!: number;

  @Range(AB_TEST_RANGES.looks)
  @Field(() => Int, { defaultValue: 10, description: 'Equally spaced looks of a group sequential test.' })
  looks!: number;

  @Field(() => AbTestCorrectionEnum, {
    defaultValue: 'HOLM',
    description: 'How several variants, and several secondary metrics, are corrected. Guards share alpha equally.',
  })
  correction!: keyof typeof AbTestCorrectionEnum;

  @Field(() => Boolean, {
    defaultValue: true,
    description: 'Whether values are corrected by what their keys did before the start (CUPED).',
  })
  cuped!: boolean;

  @Range(AB_TEST_RANGES.standardDeviation)
  @Field(() => Float, {
    nullable: true,
    description:
      'Standard deviation of a key’s value of the primary metric; measured between plan and start when absent.',
  })
  standardDeviation?: number | null;

  @Range(AB_TEST_RANGES.keysPerDay)
  @Field(() => Float, {
    nullable: true,
    description: 'Different routing keys per day; measured between plan and start when absent.',
  })
  keysPerDay?: number | null;

  @Range(AB_TEST_RANGES.hours)
  @Field(() => Float, {
    defaultValue: 168,
    description: 'Hours for which it runs at least before a winner is named; whole weeks see every day of the week.',
  })
  minHours!: number;

  @Range(AB_TEST_RANGES.hours)
  @Field(() => Float, {
    defaultValue: 672,
    description: 'Hours after which it ends without the planned keys; not less than `minHours`.',
  })
  maxHours!: number;

  @Field(() => AbTestWhenDecidedEnum, {
    defaultValue: 'KEEP_WEIGHTS',
    description: 'What it does with the traffic at its end.',
  })
  whenDecided!: keyof typeof AbTestWhenDecidedEnum;
}

@InputType({ description: 'A planned comparison that divides the traffic from now on.' })
export class StartAbTestInput {
  @Field(() => ID, { description: 'The test. NOT_FOUND when it does not exist, CONFLICT unless it is PLANNED.' })
  abTestId!: string;

  @Range(AB_TEST_RANGES.plannedKeys)
  @Field(() => SafeInt, {
    nullable: true,
    description: 'Routing keys at which it ends; those of `plan` when absent. CONFLICT when neither is known.',
  })
  plannedKeys?: number | null;
}

@InputType({ description: 'A/B test to stop without a decision.' })
export class StopAbTestInput {
  @Field(() => ID, { description: 'The test. NOT_FOUND when it does not exist, CONFLICT when it is over.' })
  abTestId!: string;

  @Range(AB_TEST_RANGES.reason)
  @Field(() => String, { description: 'Why; it becomes the reason of the decision.' })
  reason!: string;
}

@InputType({ description: 'Filter for A/B tests; all given fields must match.' })
export class AbTestFilterInput {
  @Field(() => ID, { nullable: true, description: 'Tests of this endpoint. NOT_FOUND when it does not exist.' })
  endpointId?: string | null;

  @Field(() => [AbTestStatusEnum], {
    nullable: true,
    description: 'Tests in one of these states; all when absent or empty.',
  })
  status?: (keyof typeof AbTestStatusEnum)[] | null;

  @Range(SEARCH_TEXT)
  @Field(() => String, { nullable: true, description: 'Tests whose name contains this text, in any case.' })
  search?: string | null;
}

@InputType({ description: 'Sort order of a list of A/B tests. Items with equal values are sorted by id.' })
export class AbTestOrderInput {
  @Field(() => AbTestOrderField, { description: 'Field whose values determine the order.' })
  field!: 'createdAt' | 'name';

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

@ObjectType({ description: 'The A/B test after the mutation.' })
export class AbTestPayload {
  @Field(() => AbTestType, { description: 'The test after this change, as a query would show it now.' })
  abTest!: AbTestType;
}
