import { Field, Float, ID, InputType, ObjectType } from 'type-graphql';
import type { TrainingWarningCode } from '../../modules/algorithms/index.js';
import { describeEnum, KeyValueInput } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { RunSourceInput } from './run-source.types.js';
import { DateTime, MetricValue, SafeInt } from '../types/scalars.js';
import { Range, RangeOfModule } from '../types/range.js';
import { METRICS_PER_CALL, STEP } from '../../modules/experiments/index.js';
import { entriesOf, NAME, TAG_VALUE } from '../../modules/core/index.js';

export const RunStatus = describeEnum('RunStatus', 'Whether a run is queued, is running or has ended.', {
  QUEUED: 'Waiting for a worker.',
  RUNNING: 'The run has started and not ended. It stays so while its training is paused, or makes room for another.',
  FINISHED: 'The run ended successfully.',
  FAILED: 'The run ended with an error.',
  KILLED: 'The run was cancelled.',
});

export const FinalRunStatus = describeEnum(
  'FinalRunStatus',
  'Final status of a run: success, failure or cancellation.',
  {
    FINISHED: 'The run ended successfully.',
    FAILED: 'The run ended with an error.',
    KILLED: 'The run was cancelled.',
  },
);

export const RunState = describeEnum('RunState', 'Whether a run is active or deleted.', {
  ACTIVE: 'Not deleted: shown in lists, and new values can be logged.',
  DELETED: 'Deleted, until the run is restored or removed by the garbage collection.',
});

@ObjectType({ description: 'One logged value of a metric.' })
export class MetricPoint {
  @Field(() => String, { description: 'Name of the metric, e.g. `validation.loss`.' })
  key!: string;

  @Field(() => MetricValue, { description: 'Value of the metric; may be NaN or infinite.' })
  value!: number;

  @Field(() => SafeInt, { description: 'Step, 0 or more; the epoch in trainings of this service.' })
  step!: number;

  @Field(() => DateTime, { description: 'Time of the measurement, UTC.' })
  loggedAt!: Date;

  @Field(() => SafeInt, {
    description: 'Sequence number within the run; pass the last one as `after` to continue a subscription.',
  })
  seq!: number;
}

@ObjectType({ description: 'Newest value of a metric: the value at the greatest step.' })
export class LatestMetric {
  @Field(() => String, { description: 'Name of the metric.' })
  key!: string;

  @Field(() => MetricValue, { description: 'Value of the metric; may be NaN or infinite.' })
  value!: number;

  @Field(() => SafeInt, { description: 'Greatest step at which the metric was logged, 0 to 2^53 - 1.' })
  step!: number;

  @Field(() => DateTime, { description: 'Time of the measurement, UTC.' })
  loggedAt!: Date;
}

export const RunWarningCode = describeEnum<TrainingWarningCode>('RunWarningCode', 'Kind of a training warning.', {
  COLUMN_LEFT_OUT: 'No features were given, and this column was left out because it cannot help.',
  HYPERPARAMETER_UNUSED:
    'Only in runs of earlier releases, which now are refused: a hyperparameter that the algorithm does not use.',
  NOT_CONVERGED: 'A solver or k-means reached its maximum number of iterations before it converged.',
  LOSS_STILL_FALLING: 'The validation loss was still falling in the last epoch.',
  LOSS_DIVERGED: 'The loss rose, or became NaN or infinite.',
  OVERFITTED: 'The validation loss was lower in an earlier epoch, whose weights were not kept.',
  WORSE_THAN_BASE_RATE:
    'On the holdout, the model is no better than the base rate: the class fractions, or the mean, ' +
    'of the training rows.',
  CLASS_RARELY_PREDICTED: 'A class of the holdout is almost never predicted.',
  TARGET_LEAK: 'A feature predicts the target without the others; it may be known only after the target.',
  COPIED_ROWS: 'Rows of validation and holdout are copies of training rows.',
});

@ObjectType({ description: 'A number behind a warning.' })
export class RunWarningFigure {
  @Field(() => String, { description: 'Name of the number, e.g. `lastLoss`.' })
  name!: string;

  @Field(() => Float, { description: 'The number, in the unit that its name implies; finite.' })
  value!: number;
}

@ObjectType({ description: 'A row of validation or holdout that is the same as a training row.' })
export class RunWarningCopy {
  @Field(() => SafeInt, { description: 'Position of the row in the file, from 0.' })
  row!: number;

  @Field(() => SafeInt, { description: 'Position of the training row in the file, from 0.' })
  trainingRow!: number;
}

@ObjectType({
  description: 'A warning of a training: something to check before you use its model.',
})
export class RunWarning {
  @Field(() => RunWarningCode, { description: 'Kind of warning, for programs.' })
  code!: TrainingWarningCode;

  @Field(() => String, { description: 'The warning in one sentence, with what to do next.' })
  message!: string;

  @Field(() => [RunWarningFigure], { description: 'Numbers behind the warning; may be empty.' })
  figures!: RunWarningFigure[];

  @Field(() => String, { nullable: true, description: 'Column that leaks the target; null for other warnings.' })
  column?: string | null;

  @Field(() => [RunWarningCopy], {
    nullable: true,
    description: 'The first five copies of training rows; null for other warnings.',
  })
  copies?: RunWarningCopy[] | null;
}

@ObjectType('Run', {
  description: 'A run: one tracked execution with its parameters, metrics and artifacts.',
})
export class RunType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, { description: 'Name; need not be unique.' })
  name!: string;

  @Field(() => RunStatus, { description: 'Current status: whether the run is queued, running or has ended.' })
  status!: keyof typeof RunStatus;

  @Field(() => String, { description: 'Subject of the token that started the run.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time of creation, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'Start time, UTC; the time of creation while the run is queued.' })
  startedAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'End time, UTC; null while the run has not ended.' })
  endedAt?: Date | null;

  @Field(() => RunState, { description: 'Whether the run is active or deleted.' })
  state!: keyof typeof RunState;

  @Field(() => DateTime, { nullable: true, description: 'Time of the deletion, UTC; null when not deleted.' })
  deletedAt?: Date | null;

  @Field(() => [RunWarning], {
    description: 'Warnings of a training, in the order of time; empty for runs of code outside this service.',
  })
  warnings!: RunWarning[];

  /** The API shows this as `experiment`. */
  experimentId!: string;
  /** The API shows this as `parent`. */
  parentRunId?: string | null;
}

export const RunConnection = connectionOf(RunType, 'Run', 'runs');

@InputType({ description: 'A new run of code that runs outside this service.' })
export class CreateRunInput {
  @Field(() => ID, { description: 'Experiment of the run. NOT_FOUND when it does not exist.' })
  experimentId!: string;

  @RangeOfModule(NAME)
  @Field(() => String, {
    nullable: true,
    description: 'Name; generated from the time when absent.',
  })
  name?: string | null;

  @Field(() => ID, { nullable: true, description: 'Parent run. NOT_FOUND when it does not exist.' })
  parentRunId?: string | null;

  @Field(() => DateTime, { nullable: true, description: 'Start time, UTC; now when absent.' })
  startedAt?: Date | null;

  @Range(TAG_VALUE)
  @Field(() => String, { nullable: true, description: 'Notes, as Markdown.' })
  description?: string | null;

  @Field(() => RunSourceInput, { nullable: true, description: 'Repository, script or notebook of the code.' })
  source?: RunSourceInput | null;

  @RangeOfModule(entriesOf(TAG_VALUE))
  @Field(() => [KeyValueInput], {
    nullable: true,
    description: 'Parameters; they cannot be changed later.',
  })
  params?: KeyValueInput[] | null;

  @RangeOfModule(entriesOf(TAG_VALUE))
  @Field(() => [KeyValueInput], { nullable: true, description: 'Tags of the run.' })
  tags?: KeyValueInput[] | null;
}

@InputType({
  description: 'One point: a value with its step and time. A point that already exists is not added again.',
})
export class MetricInput {
  @RangeOfModule(NAME)
  @Field(() => String, { description: 'Name of the metric.' })
  key!: string;

  @Field(() => MetricValue, { description: 'Value of the metric; NaN and infinities as strings.' })
  value!: number;

  @RangeOfModule(STEP)
  @Field(() => SafeInt, { nullable: true, description: 'Step; 0 when absent.' })
  step?: number | null;

  @Field(() => DateTime, { nullable: true, description: 'Time of the measurement; now when absent.' })
  loggedAt?: Date | null;
}

@InputType({ description: 'Metric values of a run.' })
export class LogMetricsInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when it does not exist.' })
  runId!: string;

  @RangeOfModule(METRICS_PER_CALL)
  @Field(() => [MetricInput], {
    description:
      'Points to log. A point that already exists (same key, step, time, value) is not added ' +
      'again, so you can safely repeat a call.',
  })
  metrics!: MetricInput[];
}

@ObjectType({ description: 'Result of logging metrics.' })
export class LogMetricsPayload {
  @Field(() => SafeInt, { description: 'Number of new points.' })
  addedCount!: number;
}

@InputType({ description: 'Parameters of a run.' })
export class LogParamsInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when it does not exist.' })
  runId!: string;

  @RangeOfModule(entriesOf(TAG_VALUE))
  @Field(() => [KeyValueInput], {
    description: 'Parameters to log. CONFLICT when a key already has another value.',
  })
  params!: KeyValueInput[];
}

@InputType({ description: 'Tags to add to a run or to change.' })
export class SetRunTagsInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when it does not exist.' })
  runId!: string;

  @RangeOfModule(entriesOf(TAG_VALUE))
  @Field(() => [KeyValueInput], { description: 'Tags to set; an existing key gets the new value.' })
  tags!: KeyValueInput[];
}

@InputType({ description: 'Run to finish, with its final status.' })
export class FinishRunInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when it does not exist.' })
  runId!: string;

  @Field(() => FinalRunStatus, { description: 'Final state: whether it succeeded or failed.' })
  status!: keyof typeof FinalRunStatus;
}

@ObjectType({ description: 'The run after the mutation.' })
export class RunPayload {
  @Field(() => RunType, { description: 'The run after this change, as a query would show it now.' })
  run!: RunType;
}
