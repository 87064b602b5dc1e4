import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { connectionOf } from '../types/connection.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { DateTime, MetricValue, SafeInt } from '../types/scalars.js';

export const LoggedModelStatus = describeEnum(
  'LoggedModelStatus',
  'Whether the files of a logged model are all there.',
  {
    PENDING: 'Its code is still sending them.',
    READY: 'Complete: it can be registered.',
    FAILED: 'Its code gave up; `statusMessage` may say why.',
  },
);

export const LoggedModelDirection = describeEnum('LoggedModelDirection', 'What a run did with a logged model.', {
  INPUT: 'Read it, e.g. to evaluate it.',
  OUTPUT: 'Made it, at the step that is told.',
});

type LoggedModelOrderBy = 'createdAt' | 'updatedAt' | 'name';

export const LoggedModelOrderField = describeOrderFields<LoggedModelOrderBy>(
  'LoggedModelOrderField',
  'What logged models can be ordered by.',
  {
    CREATED_AT: ['createdAt', 'When they were logged.'],
    UPDATED_AT: ['updatedAt', 'When they, their tags or parameters last changed.'],
    NAME: ['name', 'Their names, in code point order.'],
  },
);

@ObjectType('LoggedModelMetric', {
  description: 'A value that a run measured of a logged model, maybe on one dataset.',
})
export class LoggedModelMetricType {
  @Field(() => String, { description: 'Name of the metric, e.g. `validation.loss`.' })
  key!: string;

  @Field(() => MetricValue, { description: 'The value; may be NaN or infinite.' })
  value!: number;

  @Field(() => SafeInt, { description: 'Step it was logged at.' })
  step!: number;

  @Field(() => DateTime, { description: 'When it was measured, UTC.' })
  loggedAt!: Date;

  @Field(() => String, {
    nullable: true,
    description: 'What the code calls the data it was measured on; null when it did not say.',
  })
  datasetName?: string | null;

  @Field(() => String, { nullable: true, description: 'Hash of that data, as the code gave it; null when it did not.' })
  datasetDigest?: string | null;

  /** Shown as an object. */
  runId!: string;
}

@ObjectType('LoggedModel', {
  description:
    'A model as a run made it, with files, parameters, tags and metrics of its own, before anybody registers ' +
    'it: MLflow’s LoggedModel. `registerModelVersion` makes a version of it.',
})
export class LoggedModelType {
  @Field(() => ID, { description: 'Opaque id (UUID).' })
  id!: string;

  @Field(() => String, { description: 'Name for people; need not be unique.' })
  name!: string;

  @Field(() => LoggedModelStatus, { description: 'Whether its files are all there.' })
  status!: keyof typeof LoggedModelStatus;

  @Field(() => String, { nullable: true, description: 'What its code said about the status; null when nothing.' })
  statusMessage?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Kind of model in the code’s own words, e.g. `agent`; null when it did not say.',
  })
  modelType?: string | null;

  @Field(() => String, { description: 'Subject of the token that logged it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it was logged, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'When it, its tags or parameters last changed, UTC.' })
  updatedAt!: Date;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When it was deleted, UTC: it is in no list, and garbage collection removes it. Null for one in use.',
  })
  deletedAt?: Date | null;

  /** Shown as objects and entries. */
  experimentId!: string;
  runId?: string | null;
  params!: Record<string, string>;
  tags!: Record<string, string>;
}

export const LoggedModelConnection = connectionOf(LoggedModelType, 'LoggedModel', 'logged models');

@ObjectType({ description: 'A logged model that a run made or read.' })
export class RunLoggedModel {
  @Field(() => LoggedModelDirection, { description: 'Whether the run made it or read it.' })
  direction!: keyof typeof LoggedModelDirection;

  @Field(() => SafeInt, { description: 'Step of the run at which it did; 0 when the code did not say.' })
  step!: number;

  @Field(() => LoggedModelType, { description: 'The model with its files and metrics.' })
  loggedModel!: LoggedModelType;
}

@InputType({ description: 'Which logged models to list; every given field must hold.' })
export class LoggedModelFilterInput {
  @Field(() => String, {
    nullable: true,
    description: 'Text that the name contains, whatever its case; at most 200 characters.',
  })
  search?: string | null;

  @Field(() => [ID], {
    nullable: true,
    description: 'Models logged in any of these experiments. NOT_FOUND when one is not there.',
  })
  experimentIds?: string[] | null;

  @Field(() => ID, { nullable: true, description: 'Models that this run made. NOT_FOUND when there is none.' })
  runId?: string | null;

  @Field(() => [LoggedModelStatus], { nullable: true, description: 'Models whose files are in one of these states.' })
  status?: (keyof typeof LoggedModelStatus)[] | null;

  @Field(() => String, { nullable: true, description: 'Models of exactly this kind.' })
  modelType?: string | null;
}

@InputType({
  description:
    'The order of a list of logged models: by what, and which end comes first. Equal ones are in the order ' +
    'of their ids.',
})
export class LoggedModelOrderInput {
  @Field(() => LoggedModelOrderField, { description: 'What to order by.' })
  field!: LoggedModelOrderBy;

  @Field(() => OrderDirection, { description: 'Which end comes first.' })
  direction!: OrderDirection;
}
