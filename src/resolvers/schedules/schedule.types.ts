import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { NAME, SEARCH_TEXT } from '../../modules/core/index.js';
import type { JobTemplate } from '../../modules/jobs/index.js';
import { CRON, TIME_ZONE } from '../../modules/schedules/index.js';
import { CloneChoiceInput, JobKindEnum } from '../jobs/job.types.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { Range, RangeOfModule } from '../types/range.js';
import { DateTime } from '../types/scalars.js';

export const MissedStartsEnum = describeEnum(
  'MissedStarts',
  'What happens with starts for which no worker was there: those more than five minutes late.',
  {
    SKIP: 'They are left out; the schedule goes on with its next start.',
    START_ONCE: 'One job starts late, for all of them together.',
  },
);

export const OverlapEnum = describeEnum('ScheduleOverlap', 'What a start does while a job of an earlier one goes on.', {
  SKIP: 'No job starts; the earlier one goes on.',
  ALLOW: 'Another job starts beside the earlier one.',
  CANCEL_PREVIOUS: 'The earlier job is cancelled, and another one starts.',
});

export const ScheduleOutcomeEnum = describeEnum('ScheduleOutcome', 'What became of a start of a schedule.', {
  STARTED: 'A job was started.',
  SKIPPED: 'No job was started, as one of an earlier start went on.',
  MISSED: 'No job was started, as no worker was there in time.',
  REFUSED: 'The job was refused, like one that a person starts; the message says why.',
});

export const ScheduleOrderField = describeOrderFields<'createdAt' | 'name' | 'dueAt'>(
  'ScheduleOrderField',
  'Fields by which schedules can be sorted.',
  {
    CREATED_AT: ['createdAt', 'Time of creation.'],
    NAME: ['name', 'Name of the schedule, in the order of its letters.'],
    NEXT_START_AT: ['dueAt', 'Time of the next start; those without a known one come after all others.'],
  },
);

export const ScheduleStartOrderField = describeOrderFields<'createdAt'>(
  'ScheduleStartOrderField',
  'Fields by which starts of a schedule can be sorted.',
  { CREATED_AT: ['createdAt', 'Time when it was decided what becomes of the start.'] },
);

@ObjectType('Schedule', {
  description:
    'Starts jobs like an earlier one: at the times of a cron expression, or when a dataset has a new version.',
})
export class ScheduleType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, { description: 'Name, unique among the schedules of the tenant.' })
  name!: string;

  @Field(() => JobKindEnum.values, { description: 'Kind of the jobs that it starts.' })
  kind!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Cron expression of five fields; null for a schedule that watches a dataset.',
  })
  cron?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'IANA name of the time zone whose clocks the expression means; null without an expression.',
  })
  timeZone?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Name of the dataset of which each new version starts a job; null for a schedule by the clock.',
  })
  watchedDataset?: string | null;

  @Field(() => MissedStartsEnum, { description: 'What happens with starts for which no worker was there.' })
  missed!: keyof typeof MissedStartsEnum;

  @Field(() => OverlapEnum, { description: 'What a start does while a job of an earlier one goes on.' })
  overlap!: keyof typeof OverlapEnum;

  @Field(() => Boolean, {
    description: 'Whether its jobs use the newest version of their dataset, in place of always the same version.',
  })
  newestDataset!: boolean;

  @Field(() => Boolean, {
    description:
      'Whether its jobs use the version of their model that is in production then, in place of always the same one.',
  })
  productionVersion!: boolean;

  @Field(() => DateTime, { nullable: true, description: 'Time since when it is paused, UTC; null while it is not.' })
  pausedAt?: Date | null;

  @Field(() => String, {
    description: 'Owner: the subject of the token that created the schedule. Its jobs run in this name, as ENGINEER.',
  })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time of creation, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'Time when a person changed, paused or resumed it last, UTC.' })
  updatedAt!: Date;

  /** The API shows this as `nextStartAt`. */
  dueAt!: Date;
  template!: JobTemplate;
}

@ObjectType('ScheduleStart', {
  description: 'What became of one start of a schedule, or of several that were missed one after the other.',
})
export class ScheduleStartType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => DateTime, {
    description: 'Time for which it was due, UTC; of starts that were missed one after the other, the first one.',
  })
  dueAt!: Date;

  @Field(() => ScheduleOutcomeEnum, { description: 'What became of it.' })
  outcome!: keyof typeof ScheduleOutcomeEnum;

  @Field(() => String, { description: 'The reason, as a sentence.' })
  message!: string;

  @Field(() => DateTime, { description: 'Time when it was decided, UTC.' })
  createdAt!: Date;

  /** The API shows it as an object. */
  jobId?: string | null;
}

export const ScheduleConnection = connectionOf(ScheduleType, 'Schedule', 'schedules');
export const ScheduleStartConnection = connectionOf(ScheduleStartType, 'ScheduleStart', 'starts');

@InputType({ description: 'Filter for schedules; all given fields must match.' })
export class ScheduleFilterInput {
  @Range(SEARCH_TEXT)
  @Field(() => String, { nullable: true, description: 'Schedules whose name contains this text, in any case.' })
  search?: string | null;

  @Field(() => JobKindEnum.values, { nullable: true, description: 'Schedules that start jobs of this kind.' })
  kind?: string | null;

  @Field(() => Boolean, { nullable: true, description: 'Only paused schedules, or only those that are not.' })
  isPaused?: boolean | null;

  @Range(NAME)
  @Field(() => String, { nullable: true, description: 'Schedules of this owner.' })
  createdBy?: string | null;
}

@InputType({ description: 'Sort order of a list of schedules. Items with equal values are sorted by id.' })
export class ScheduleOrderInput {
  @Field(() => ScheduleOrderField, { description: 'Field whose values determine the order.' })
  field!: 'createdAt' | 'name' | 'dueAt';

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'Which starts to list; all given fields must match.' })
export class ScheduleStartFilterInput {
  @Field(() => [ScheduleOutcomeEnum], { nullable: true, description: 'Starts of which this became; all when absent.' })
  outcome?: (keyof typeof ScheduleOutcomeEnum)[] | null;
}

@InputType({ description: 'Sort order of the starts of a schedule. Items with equal values are sorted by id.' })
export class ScheduleStartOrderInput {
  @Field(() => ScheduleStartOrderField, { description: 'Field whose values determine the order.' })
  field!: 'createdAt';

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

const CRON_TEXT =
  'Cron expression: minute, hour, day of the month, month and day of the week, or @hourly, @daily, @weekly, @monthly, ' +
  '@yearly. A time that the clocks skip in spring becomes the first moment after it; of one that they show twice in ' +
  'autumn, the first one counts; expressions for every hour or minute start in each.';
const ZONE_TEXT = 'IANA name of the time zone whose clocks `cron` means, e.g. Europe/Berlin or UTC.';
const DATASET_TEXT =
  'Name of a dataset: each new version of it starts a job, several at once one job. BAD_USER_INPUT when there is no ' +
  'such dataset.';

@InputType({ description: 'Schedule to create: which job it starts, and when.' })
export class CreateScheduleInput extends CloneChoiceInput {
  @RangeOfModule(NAME)
  @Field(() => String, { description: 'Name. CONFLICT when another schedule of the tenant has it.' })
  name!: string;

  @Field(() => ID, {
    description:
      'Job whose settings its jobs have; they are kept, also when the job is deleted. NOT_FOUND when it does not ' +
      'exist; BAD_USER_INPUT unless it is a training, a tuning, an evaluation or a batch inference.',
  })
  jobId!: string;

  @RangeOfModule(CRON)
  @Field(() => String, { nullable: true, description: `${CRON_TEXT} Either this or \`watchedDataset\`.` })
  cron?: string | null;

  @RangeOfModule(TIME_ZONE)
  @Field(() => String, { nullable: true, description: `${ZONE_TEXT} Needed with \`cron\`.` })
  timeZone?: string | null;

  @Range(NAME)
  @Field(() => String, { nullable: true, description: `${DATASET_TEXT} Either this or \`cron\`.` })
  watchedDataset?: string | null;

  @Field(() => MissedStartsEnum, {
    defaultValue: 'START_ONCE',
    description: 'What happens with starts for which no worker was there.',
  })
  missed!: keyof typeof MissedStartsEnum;

  @Field(() => OverlapEnum, {
    defaultValue: 'SKIP',
    description: 'What a start does while a job of an earlier one goes on.',
  })
  overlap!: keyof typeof OverlapEnum;
}

@InputType({ description: 'Changes of a schedule; fields that are absent or null stay as they are.' })
export class UpdateScheduleInput {
  @Field(() => ID, { description: 'The schedule. NOT_FOUND when it does not exist.' })
  id!: string;

  @RangeOfModule(NAME)
  @Field(() => String, {
    nullable: true,
    description: 'New name. CONFLICT when another schedule of the tenant has it.',
  })
  name?: string | null;

  @Field(() => ID, { nullable: true, description: 'Job whose settings its jobs have from now on; as for a new one.' })
  jobId?: string | null;

  @RangeOfModule(CRON)
  @Field(() => String, { nullable: true, description: `${CRON_TEXT} It replaces \`watchedDataset\`.` })
  cron?: string | null;

  @RangeOfModule(TIME_ZONE)
  @Field(() => String, { nullable: true, description: ZONE_TEXT })
  timeZone?: string | null;

  @Range(NAME)
  @Field(() => String, { nullable: true, description: `${DATASET_TEXT} It replaces \`cron\`.` })
  watchedDataset?: string | null;

  @Field(() => MissedStartsEnum, {
    nullable: true,
    description: 'What happens with starts for which no worker was there.',
  })
  missed?: keyof typeof MissedStartsEnum | null;

  @Field(() => OverlapEnum, { nullable: true, description: 'What a start does while a job of an earlier one goes on.' })
  overlap?: keyof typeof OverlapEnum | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether its jobs use the newest version of their dataset.' })
  newestDataset?: boolean | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Whether its jobs use the version of their model in production. BAD_USER_INPUT for jobs without a model version.',
  })
  productionVersion?: boolean | null;
}

@InputType({ description: 'Which schedule starts no jobs from now on.' })
export class PauseScheduleInput {
  @Field(() => ID, { description: 'The schedule. NOT_FOUND when it does not exist, CONFLICT when it is paused.' })
  id!: string;
}

@InputType({ description: 'Paused schedule to continue.' })
export class ResumeScheduleInput {
  @Field(() => ID, { description: 'The schedule. NOT_FOUND when it does not exist, CONFLICT unless it is paused.' })
  id!: string;
}

@InputType({ description: 'Schedule that starts a job now.' })
export class StartScheduleNowInput {
  @Field(() => ID, { description: 'The schedule, also a paused one. NOT_FOUND when it does not exist.' })
  id!: string;
}

@InputType({ description: 'Which schedule ends; jobs that it started stay.' })
export class DeleteScheduleInput {
  @Field(() => ID, { description: 'The schedule. NOT_FOUND when it does not exist.' })
  id!: string;
}

@ObjectType({ description: 'The schedule after the mutation.' })
export class SchedulePayload {
  @Field(() => ScheduleType, { description: 'The schedule after this change, as a query would show it now.' })
  schedule!: ScheduleType;
}

@ObjectType({ description: 'What became of the start.' })
export class ScheduleStartPayload {
  @Field(() => ScheduleType, { description: 'The schedule whose start this was, as it is now.' })
  schedule!: ScheduleType;

  @Field(() => ScheduleStartType, { description: 'STARTED with its job, or SKIPPED by the overlap rule.' })
  start!: ScheduleStartType;
}

@ObjectType({ description: 'What was deleted.' })
export class DeleteSchedulePayload {
  @Field(() => ID, { description: 'Id of the deleted schedule.' })
  id!: string;
}

export const UPCOMING = { min: 1, max: 100, unit: 'starts' };
