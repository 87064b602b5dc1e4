import { Field, Float, Int, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { DateTime, SafeInt } from '../types/scalars.js';

export const AbTestMetricRoleEnum = describeEnum(
  'AbTestMetricRole',
  'Whether a metric decides a test, is reported beside, or ends it by harm.',
  {
    PRIMARY: 'It decides who wins. A test has exactly one.',
    SECONDARY: 'It is reported with corrected intervals, and decides nothing.',
    GUARD: 'If it is provably worse than in the control by more than its margin, the test ends, at any time.',
  },
);

export const AbTestDecisionKindEnum = describeEnum('AbTestDecisionKind', 'How an A/B test ended.', {
  WINNER: 'A variant is provably better by the primary metric.',
  NO_DIFFERENCE: 'No difference was proved until the last look.',
  HARM: 'A guard metric of a variant is provably worse; all traffic went to the control.',
  INVALID: 'The comparison cannot be trusted: sample-ratio mismatch, keys in several variants, or changed weights.',
  STOPPED: 'A person has stopped it.',
});

@ObjectType('AbTestEstimate', { description: 'A metric of one variant.' })
export class AbTestEstimateType {
  @Field(() => String, { description: 'Name, as in the list of the test.' })
  variant!: string;

  @Field(() => SafeInt, { description: 'Number of its routing keys.' })
  keys!: number;

  @Field(() => Float, { nullable: true, description: 'Value of the metric in its unit; null before the first value.' })
  mean?: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Standard error of `mean` by the delta method; null with less than two keys.',
  })
  standardError?: number | null;
}

@ObjectType('AbTestComparison', { description: 'A metric of one variant compared with the control.' })
export class AbTestComparisonType {
  @Field(() => String, { description: 'Name, as in the list of the test.' })
  variant!: string;

  @Field(() => Float, {
    description:
      'Value of the variant minus that of the control, corrected by the past (CUPED) where the test says so.',
  })
  difference!: number;

  @Field(() => Float, {
    nullable: true,
    description:
      'Lower end of the interval of the difference, corrected for looks and comparisons; null when it is open or nothing may be said at this look.',
  })
  low?: number | null;

  @Field(() => Float, { nullable: true, description: 'Upper end of that interval; null as for the lower end.' })
  high?: number | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'p-value, 0 to 1, not corrected for other comparisons: always valid for CONFIDENCE_SEQUENCE and guards, of this look alone otherwise; null between looks.',
  })
  pValue?: number | null;

  @Field(() => Boolean, {
    description: 'Whether the difference (of a guard: the harm) is proved, with all corrections.',
  })
  significant!: boolean;

  @Field(() => Float, { description: 'Fraction of the variance that CUPED has removed; 0 without a past.' })
  varianceReduction!: number;
}

@ObjectType('AbTestOverallTest', { description: 'Whether any variant differs from another, by chi-square.' })
export class AbTestOverallTestType {
  @Field(() => Float, {
    description: 'Pearson’s chi-square of variants by keys with and without the outcome; corrected for two variants.',
  })
  statistic!: number;

  @Field(() => Int, { description: 'Degrees of freedom: variants minus one.' })
  degreesOfFreedom!: number;

  @Field(() => Float, { description: 'p-value, 0 to 1. Above alpha, no variant is proved to differ.' })
  pValue!: number;
}

@ObjectType('AbTestMetricResult', { description: 'What is known of a metric.' })
export class AbTestMetricResultType {
  @Field(() => String, { description: 'Its name, as the test has it; outcomes are recorded under the same one.' })
  metric!: string;

  @Field(() => AbTestMetricRoleEnum, { description: 'Whether it decides, is reported beside, or guards.' })
  role!: keyof typeof AbTestMetricRoleEnum;

  @Field(() => [AbTestEstimateType], { description: 'By variant, the control first.' })
  estimates!: AbTestEstimateType[];

  @Field(() => [AbTestComparisonType], { description: 'Every other variant against the control.' })
  comparisons!: AbTestComparisonType[];

  @Field(() => AbTestOverallTestType, {
    nullable: true,
    description: 'Of CHI_SQUARE at its look: all variants at once; null otherwise.',
  })
  overall?: AbTestOverallTestType | null;
}

@ObjectType('AbTestDecision', { description: 'How an A/B test ended, and why.' })
export class AbTestDecisionType {
  @Field(() => AbTestDecisionKindEnum, { description: 'How it ended.' })
  kind!: keyof typeof AbTestDecisionKindEnum;

  @Field(() => String, { nullable: true, description: 'The winner, or the harmful variant; null otherwise.' })
  variant?: string | null;

  @Field(() => String, { description: 'The reason in a sentence, with the difference and its interval.' })
  reason!: string;
}

@ObjectType('AbTestLook', { description: 'What was known of an A/B test at one time.' })
export class AbTestLookType {
  @Field(() => SafeInt, { description: 'Number of the look in its test, from 1 on.' })
  seq!: number;

  @Field(() => DateTime, { description: 'Time of the look, UTC.' })
  createdAt!: Date;

  @Field(() => Float, {
    nullable: true,
    description: 'Fraction of the planned keys, for a look at which the test could be decided; null otherwise.',
  })
  information?: number | null;

  @Field(() => [SafeInt], { description: 'Routing keys by variant, in the order of the variants.' })
  keys!: number[];

  @Field(() => SafeInt, {
    description: 'Routing keys that several variants have served; they are left out. Above 1 % the test is INVALID.',
  })
  mixedKeys!: number;

  @Field(() => Float, {
    description: 'p-value, 0 to 1, of the division of the keys by chi-square, at this look alone.',
  })
  sampleRatioP!: number;

  @Field(() => Float, { description: 'The same, valid at all looks; below 0.001 the test is INVALID.' })
  sampleRatioSequentialP!: number;

  @Field(() => [AbTestMetricResultType], { description: 'The primary metric first, then secondary ones and guards.' })
  metrics!: AbTestMetricResultType[];

  @Field(() => [Float], {
    nullable: true,
    description:
      'By variant, the probability that its primary metric is the best one (Bayesian, flat priors), 0 to 1; null with fewer than 30 keys in one.',
  })
  probabilityOfBest?: number[] | null;

  @Field(() => AbTestDecisionType, {
    nullable: true,
    description: 'The decision of this look; null while the test goes on.',
  })
  decision?: AbTestDecisionType | null;
}
