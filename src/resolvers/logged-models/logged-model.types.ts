import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { connectionOf } from '../types/connection.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { DateTime, MetricValue, SafeInt } from '../types/scalars.js';
import { Range } from '../types/range.js';
import { SEARCH_TEXT } from '../../modules/core/index.js';

export const LoggedModelStatus = describeEnum('LoggedModelStatus', 'Whether all files of a logged model are stored.', {
  PENDING: 'The code is still sending files.',
  READY: 'All files are stored: the model can be registered.',
  FAILED: 'The code that logs the model failed; `statusMessage` may say why.',
});

export const LoggedModelDirection = describeEnum('LoggedModelDirection', 'Whether a run read or made a logged model.', {
  INPUT: 'The run read the model, e.g. to evaluate it.',
  OUTPUT: 'The run made the model, at the given step.',
});

type LoggedModelOrderBy = 'createdAt' | 'updatedAt' | 'name';

export const LoggedModelOrderField = describeOrderFields<LoggedModelOrderBy>(
  'LoggedModelOrderField',
  'Fields by which logged models can be sorted.',
  {
    CREATED_AT: ['createdAt', 'Time when the model was logged.'],
    UPDATED_AT: ['updatedAt', 'Time of the last change of the model, its tags or its parameters.'],
    NAME: ['name', 'Name, in code point order.'],
  },
);

@ObjectType('LoggedModelMetric', {
  description: 'Metric value that a run measured for a logged model, with or without a dataset.',
})
export class LoggedModelMetricType {
  @Field(() => String, { description: 'Name of the metric, e.g. `validation.loss`.' })
  key!: string;

  @Field(() => MetricValue, { description: 'Value of the metric; may be NaN or infinite.' })
  value!: number;

  @Field(() => SafeInt, { description: 'Step at which the value was logged.' })
  step!: number;

  @Field(() => DateTime, { description: 'Time of the measurement, UTC.' })
  loggedAt!: Date;

  @Field(() => String, {
    nullable: true,
    description: 'Name of the dataset in the code; null when not given.',
  })
  datasetName?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Hash of the dataset, as given by the code; null when not given.',
  })
  datasetDigest?: string | null;

  /** The API shows this id as an object. */
  runId!: string;
}

@ObjectType('LoggedModel', {
  description:
    'A logged model: a model as a run has made it, with its own files, parameters, tags and ' +
    'metrics, before registration. MLflow calls it LoggedModel. `registerModelVersion` makes a ' +
    'version from it.',
})
export class LoggedModelType {
  @Field(() => ID, { description: 'Opaque id (UUID).' })
  id!: string;

  @Field(() => String, { description: 'Name; need not be unique.' })
  name!: string;

  @Field(() => LoggedModelStatus, { description: 'Whether all files of the model are stored.' })
  status!: keyof typeof LoggedModelStatus;

  @Field(() => String, { nullable: true, description: 'Message of the code about the status; null when not given.' })
  statusMessage?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Kind of model, as given by the code, e.g. `agent`; null when not given.',
  })
  modelType?: string | null;

  @Field(() => String, { description: 'Subject of the token that logged the model.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time when the model was logged, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'Time of the last change of the model, its tags or its parameters, UTC.' })
  updatedAt!: Date;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'Time of the deletion, UTC; null when not deleted. A deleted logged model is in no list, and ' +
      'garbage collection removes it.',
  })
  deletedAt?: Date | null;

  /** The API shows these as objects and as lists of entries. */
  experimentId!: string;
  runId?: string | null;
  params!: Record<string, string>;
  tags!: Record<string, string>;
}

export const LoggedModelConnection = connectionOf(LoggedModelType, 'LoggedModel', 'logged models');

@ObjectType({ description: 'A logged model that a run made or read.' })
export class RunLoggedModel {
  @Field(() => LoggedModelDirection, { description: 'Whether the run made or read the model.' })
  direction!: keyof typeof LoggedModelDirection;

  @Field(() => SafeInt, { description: 'Step of the run; 0 when the code did not give it.' })
  step!: number;

  @Field(() => LoggedModelType, { description: 'The logged model, with its files and metrics.' })
  loggedModel!: LoggedModelType;
}

@InputType({ description: 'Filter for logged models; all given fields must match.' })
export class LoggedModelFilterInput {
  @Range(SEARCH_TEXT)
  @Field(() => String, {
    nullable: true,
    description: 'Text that the name contains, case-insensitive.',
  })
  search?: string | null;

  @Field(() => [ID], {
    nullable: true,
    description: 'Models that were logged in one of these experiments. NOT_FOUND when one does not exist.',
  })
  experimentIds?: string[] | null;

  @Field(() => ID, { nullable: true, description: 'Models that this run made. NOT_FOUND when it does not exist.' })
  runId?: string | null;

  @Field(() => [LoggedModelStatus], { nullable: true, description: 'Models with one of these statuses.' })
  status?: (keyof typeof LoggedModelStatus)[] | null;

  @Field(() => String, { nullable: true, description: 'Models with exactly this `modelType`.' })
  modelType?: string | null;
}

@InputType({
  description: 'Sort order of a list of logged models: field and direction. Items with equal values are sorted by id.',
})
export class LoggedModelOrderInput {
  @Field(() => LoggedModelOrderField, { description: 'Field whose values determine the order.' })
  field!: LoggedModelOrderBy;

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}
