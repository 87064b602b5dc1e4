import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { ParameterSpace, StopRule, StudySpec, StudyStatus } from '../../modules/tuning/index.js';
import { SEARCH_TEXT } from '../../modules/core/index.js';
import { MetricDirection } from '../experiments/run-comparison.types.js';
import { JobType } from '../jobs/job.types.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { Range } from '../types/range.js';
import { DateTime, Json } from '../types/scalars.js';
import { SearchParameterKind } from './study-input.types.js';

export const StudyStatusEnum = describeEnum<StudyStatus>('StudyStatus', 'Whether a study goes on.', {
  RUNNING: 'Trials run, or wait for a trainer.',
  COMPLETED: 'The stop rule holds and at least one trial has a result.',
  FAILED: 'It ended without any trial with a result; `reason` says why.',
  CANCELLED: 'A person cancelled it; resumeTuning lets it go on.',
});

export const StudyOrderField = describeOrderFields<'createdAt' | 'name'>(
  'StudyOrderField',
  'Fields by which studies can be sorted.',
  { CREATED_AT: ['createdAt', 'Time of creation.'], NAME: ['name', 'Name, in code point order.'] },
);

@ObjectType({ description: 'When a tuned parameter has a meaning.' })
export class SearchCondition {
  @Field(() => String, { description: 'Name of the other parameter.' })
  parameter!: string;

  @Field(() => [Json], { description: 'Values of the other parameter.' })
  oneOf!: readonly unknown[];
}

@ObjectType({ description: 'A tuned parameter and its values.' })
export class SearchParameter {
  @Field(() => String, { description: 'The hyperparameter that it sets, e.g. `learningRate`.' })
  name!: string;

  @Field(() => SearchParameterKind, { description: 'What its values are.' })
  kind!: ParameterSpace['kind'];

  @Field(() => Float, { nullable: true, description: 'Smallest value; null for CATEGORICAL.' })
  low?: number;

  @Field(() => Float, { nullable: true, description: 'Largest value; null for CATEGORICAL.' })
  high?: number;

  @Field(() => Boolean, { nullable: true, description: 'Whether equal ratios count the same; null for CATEGORICAL.' })
  log?: boolean;

  @Field(() => Float, { nullable: true, description: 'Distance between neighbouring values; null when none is set.' })
  step?: number;

  @Field(() => [Json], { nullable: true, description: 'Values of CATEGORICAL; otherwise null.' })
  choices?: readonly unknown[];

  @Field(() => SearchCondition, { nullable: true, description: 'When it has a meaning; null: always.' })
  when?: SearchCondition;
}

@ObjectType('SearchSpace', { description: 'Where a study searches.' })
export class SearchSpaceType {
  @Field(() => [SearchParameter], { description: 'Parameters, each with its values.' })
  parameters!: SearchParameter[];

  @Field(() => [String], { description: 'Constraints between parameters, which every trial fulfils.' })
  constraints!: readonly string[];
}

@ObjectType('Objective', { description: 'What a study improves.' })
export class ObjectiveType {
  @Field(() => String, { description: 'The run metric that is compared, e.g. `validation.log_loss`.' })
  metric!: string;

  @Field(() => MetricDirection, { description: 'Which values are better.' })
  direction!: keyof typeof MetricDirection;
}

@ObjectType({ description: 'No expected gain as a stop rule.' })
export class NoExpectedGain {
  @Field(() => Int, { description: 'Number of the newest trials that count.' })
  window!: number;

  @Field(() => Float, { description: 'Least mean gain per trial, in the unit of the objective.' })
  minGain!: number;
}

@ObjectType('StopRule', { description: 'When no further trial begins.' })
export class StopRuleType {
  @Field(() => Int, { nullable: true, description: 'Trials in all; null: no limit.' })
  maxTrials!: number | null;

  @Field(() => Float, { nullable: true, description: 'Milliseconds from the start; null: no limit.' })
  maxDurationMs!: number | null;

  @Field(() => NoExpectedGain, { nullable: true, description: 'Stops when little more is to be gained; null: never.' })
  noExpectedGain!: NoExpectedGain | null;
}

@ObjectType('TrialCounts', { description: 'Number of trials of a study by status.' })
export class TrialCountsType {
  @Field(() => Int, { description: 'Trials that wait for a trainer.' })
  queued!: number;

  @Field(() => Int, { description: 'Trials that run.' })
  running!: number;

  @Field(() => Int, { description: 'Trials with a result.' })
  complete!: number;

  @Field(() => Int, { description: 'Trials that were stopped early.' })
  pruned!: number;

  @Field(() => Int, { description: 'Trials without a usable value.' })
  failed!: number;

  @Field(() => Int, { description: 'Trials that were cancelled.' })
  cancelled!: number;
}

@ObjectType('Study', {
  description: 'A search for good parameters: trials, each with parameters and, when it is complete, its values.',
})
export class StudyType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, { description: 'Name; need not be unique.' })
  name!: string;

  @Field(() => StudyStatusEnum, { description: 'Whether the study goes on.' })
  status!: StudyStatus;

  @Field(() => String, { nullable: true, description: 'Why it ended, as a sentence; null while it runs.' })
  reason?: string | null;

  @Field(() => String, { description: 'Subject of the token that made the request.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time of the request, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'Time from which the stop rule counts, UTC.' })
  startedAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'Time of the end, UTC; null while it runs.' })
  endedAt?: Date | null;

  /** The API shows these as objects. */
  spec!: StudySpec;
  stopRule!: StopRule;
  experimentId!: string;
  runId!: string;
  jobId?: string | null;
  datasetId?: string | null;
}

export const StudyConnection = connectionOf(StudyType, 'Study', 'studies');

@InputType({ description: 'Filter for studies; all given fields must match.' })
export class StudyFilterInput {
  @Range(SEARCH_TEXT)
  @Field(() => String, { nullable: true, description: 'Text in the name; case does not matter.' })
  search?: string | null;

  @Field(() => [StudyStatusEnum], { nullable: true, description: 'Studies with one of these statuses.' })
  status?: StudyStatus[] | null;

  @Field(() => ID, { nullable: true, description: 'Studies of this experiment. NOT_FOUND when it does not exist.' })
  experimentId?: string | null;
}

@InputType({ description: 'Sort order of studies. Studies with equal values are sorted by id.' })
export class StudyOrderInput {
  @Field(() => StudyOrderField, { description: 'Field whose values determine the order.' })
  field!: 'createdAt' | 'name';

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

@ObjectType({ description: 'The study after the mutation.' })
export class StudyPayload {
  @Field(() => StudyType, { description: 'The study after this change.' })
  study!: StudyType;
}

@ObjectType({ description: 'A tuning that began or continues.' })
export class TuningPayload {
  @Field(() => StudyType, { description: 'The study, with its trials as they come.' })
  study!: StudyType;

  @Field(() => JobType, { description: 'The job that drives the study; its progress counts the trials.' })
  job!: JobType;
}

@ObjectType({ description: 'Counts of trials when a study ended, and its best one.' })
export class TuningOutcome {
  @Field(() => ID, { description: 'Which study has ended; pass it to `study(id)` for its trials.' })
  studyId!: string;

  @Field(() => String, { description: 'Why no further trial began.' })
  reason!: string;

  @Field(() => Int, { description: 'Trials with a result.' })
  complete!: number;

  @Field(() => Int, { description: 'Trials that were stopped early.' })
  pruned!: number;

  @Field(() => Int, { description: 'Trials without a usable value.' })
  failed!: number;

  @Field(() => Int, { nullable: true, description: 'Number of the best trial; null with several objectives.' })
  bestTrial!: number | null;
}
