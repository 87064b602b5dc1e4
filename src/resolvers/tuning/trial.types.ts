import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { STUDY_RANGES, type Params, type TrialStatus } from '../../modules/tuning/index.js';
import { written } from '../../modules/core/index.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { Range } from '../types/range.js';
import { DateTime, Json, MetricValue, SafeInt } from '../types/scalars.js';
import { StudyType } from './study.types.js';

export const TrialStatusEnum = describeEnum<TrialStatus>('TrialStatus', 'Whether a trial waits, runs or has ended.', {
  QUEUED: 'Waits for a trainer: it was enqueued, or is to run again.',
  RUNNING: 'Its training waits or runs.',
  COMPLETE: 'It has a value for each objective.',
  PRUNED: 'It was stopped early; the checkpoints of its training are kept, and resumeTraining continues it.',
  FAILED: 'It failed; `reason` says why. retryFailedTrials runs it again.',
  CANCELLED:
    'It was cancelled with its study, or its training was cancelled; resumeTuning or retryFailedTrials continues it.',
});

export const TrialOrderField = describeOrderFields<'number' | 'score'>(
  'TrialOrderField',
  'Fields by which trials can be sorted.',
  {
    NUMBER: ['number', 'Number of the trial.'],
    SCORE: [
      'score',
      'The first objective, the best value first when ascending; trials without a value and infeasible ones last.',
    ],
  },
);

@ObjectType({ description: 'What a trial reported at one step.' })
export class TrialReport {
  @Field(() => SafeInt, { description: 'Step: an epoch, or what the trainer counts.' })
  step!: number;

  @Field(() => [MetricValue], {
    description: 'What the pruner compares: one value, or one per objective when it compares several.',
  })
  values!: readonly number[];

  @Field(() => MetricValue, { description: 'The first of `values`.' })
  value!: number;
}

@ObjectType({ description: 'A run of a trial: one, or one for each repeated seed.' })
export class TrialRunType {
  @Field(() => Int, { description: 'Number of the repeat, from 0.' })
  repeat!: number;

  @Field(() => [Float], { nullable: true, description: 'Value of each objective; null until the run has them.' })
  values!: number[] | null;

  /** The API shows these as objects. */
  runId!: string;
  jobId!: string | null;
}

@ObjectType('Trial', { description: 'One set of parameters of a study, and how good they are.' })
export class TrialType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => Int, { description: 'Number within the study, from 0.' })
  number!: number;

  @Field(() => TrialStatusEnum, { description: 'Whether it waits, runs or has ended.' })
  status!: TrialStatus;

  @Field(() => Json, { description: 'Parameters by name; those that have a meaning together.' })
  params!: Params;

  @Field(() => [Float], {
    nullable: true,
    description: 'Value of each objective; with repeated seeds the means. Null without a result.',
  })
  values?: number[] | null;

  @Field(() => [Float], {
    nullable: true,
    description: 'Standard error of each value; null without repeated seeds.',
  })
  standardErrors?: number[] | null;

  @Field(() => [Float], {
    nullable: true,
    description: 'What the trainer told of soft constraints; the trial is feasible when all are at most 0.',
  })
  violations?: number[] | null;

  @Field(() => String, { nullable: true, description: 'Why it was pruned, failed or cancelled; otherwise null.' })
  reason?: string | null;

  @Field(() => DateTime, { nullable: true, description: 'Time of the newest start, UTC; null before.' })
  startedAt?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Time of the end, UTC; null before.' })
  endedAt?: Date | null;

  /** The API shows these as objects. */
  studyId!: string;
  seq!: number;
  reportSteps!: number[];
  reportValues!: number[];
}

export const TrialConnection = connectionOf(TrialType, 'Trial', 'trials');

@ObjectType({ description: 'A trial as it is after a change.' })
export class TrialUpdate {
  @Field(() => SafeInt, {
    description: 'Sequence number of the change within the study; pass the last one as `after` to continue.',
  })
  seq!: number;

  @Field(() => ID, { description: 'Which trial changed; the id for `trial`.' })
  trialId!: string;

  @Field(() => Int, { description: 'Number of the trial, from 0.' })
  number!: number;

  @Field(() => TrialStatusEnum, { description: 'Whether it waits, runs or has ended.' })
  status!: TrialStatus;

  @Field(() => Json, { description: 'Parameters by name.' })
  params!: Params;

  @Field(() => [Float], { nullable: true, description: 'Value of each objective; null without a result.' })
  values!: number[] | null;

  @Field(() => TrialReport, { nullable: true, description: 'Newest intermediate value; null without one.' })
  lastReport!: TrialReport | null;

  @Field(() => String, { nullable: true, description: 'Why it was pruned, failed or cancelled; otherwise null.' })
  reason!: string | null;
}

@InputType({ description: 'Which trials to list; conditions are joined by AND.' })
export class TrialFilterInput {
  @Field(() => [TrialStatusEnum], { nullable: true, description: 'Trials with one of these statuses.' })
  status?: TrialStatus[] | null;
}

@InputType({ description: 'Sort order of trials. Trials with equal values are sorted by id.' })
export class TrialOrderInput {
  @Field(() => TrialOrderField, { description: 'Field whose values determine the order.' })
  field!: 'number' | 'score';

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'Study from which a trainer takes its next trial.' })
export class AskTrialInput {
  @Field(() => ID, {
    description: 'A study of createStudy. NOT_FOUND when it does not exist, CONFLICT when a tuning job drives it.',
  })
  studyId!: string;
}

@ObjectType({ description: 'The trial that the trainer runs now.' })
export class AskTrialPayload {
  @Field(() => TrialType, {
    nullable: true,
    description: 'The trial to run now; null when the study has ended, or its stop rule lets no further trial begin.',
  })
  trial!: TrialType | null;

  @Field(() => StudyType, { description: 'The study after this call.' })
  study!: StudyType;
}

@InputType({ description: 'Intermediate value of a trial.' })
export class ReportTrialInput {
  @Field(() => ID, { description: 'A trial that is RUNNING. NOT_FOUND when it does not exist, CONFLICT otherwise.' })
  trialId!: string;

  @Range(STUDY_RANGES.step)
  @Field(() => SafeInt, { description: 'Step, greater than those before; the same step again changes nothing.' })
  step!: number;

  @Field(() => MetricValue, {
    nullable: true,
    description: 'Value of the first objective at this step; may be NaN. Required, unless `values` are.',
  })
  value?: number | null;

  @Range(STUDY_RANGES.objectives)
  @Field(() => [MetricValue], {
    nullable: true,
    description: 'Value of each objective at this step. Required, without `value`, when a pruner compares several.',
  })
  values?: number[] | null;
}

@ObjectType({ description: 'Whether a trial should go on.' })
export class ReportTrialPayload {
  @Field(() => TrialType, { description: 'The trial after this report.' })
  trial!: TrialType;

  @Field(() => Boolean, { description: 'True: stop now and tell PRUNED.' })
  shouldPrune!: boolean;

  @Field(() => String, { nullable: true, description: 'Why it should stop; null when it should go on.' })
  reason!: string | null;
}

export const TrialEnd = describeEnum('TrialEnd', 'How a trial of an outside trainer ended.', {
  COMPLETE: 'It has a value for each objective.',
  PRUNED: 'It was stopped early.',
  FAILED: 'It has no usable value, e.g. after an error; it can be retried.',
});

@InputType({ description: 'Result of a trial, from the trainer that ran it.' })
export class TellTrialInput {
  @Field(() => ID, {
    description:
      'A trial that is RUNNING. NOT_FOUND when it does not exist; CONFLICT when it has ended, unless with this result.',
  })
  trialId!: string;

  @Field(() => TrialEnd, { defaultValue: 'COMPLETE', description: 'How it ended.' })
  outcome!: keyof typeof TrialEnd;

  @Range(STUDY_RANGES.objectives)
  @Field(() => [Float], { nullable: true, description: 'Value of each objective; required with COMPLETE only.' })
  values?: number[] | null;

  @Range(STUDY_RANGES.violations)
  @Field(() => [Float], {
    nullable: true,
    description: 'Soft constraints: the trial is feasible when all are at most 0. The best trial is a feasible one.',
  })
  violations?: number[] | null;

  @Range(written(2_000))
  @Field(() => String, { nullable: true, description: 'Why it was pruned or failed.' })
  reason?: string | null;
}

@ObjectType({ description: 'The trial after the mutation.' })
export class TrialPayload {
  @Field(() => TrialType, { description: 'The trial after this change.' })
  trial!: TrialType;

  @Field(() => StudyType, { description: 'Its study after this change.' })
  study!: StudyType;
}
