import { Field, ID, Int, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { DateTime } from '../types/scalars.js';

export const MirroredKindEnum = describeEnum(
  'MirroredKind',
  'Type of an object that can be mirrored to another tracking server.',
  {
    EXPERIMENT: 'Name, tags and deletion.',
    RUN: 'Parameters, tags, metric points, status, times and parent.',
    MODEL: 'A registered model: name, description and tags.',
    MODEL_VERSION: 'Description, tags, stage and aliases.',
  },
);

@ObjectType({ description: 'An object that could not be mirrored yet, and the reason.' })
export class MirrorError {
  @Field(() => MirroredKindEnum, { description: 'Type of the object.' })
  kind!: keyof typeof MirroredKindEnum;

  @Field(() => ID, { description: 'Id of the experiment, run, model or version.' })
  id!: string;

  @Field(() => String, { description: 'Last error of the other server, or that it did not answer.' })
  error!: string;

  @Field(() => Int, {
    description: 'Number of times that the server refused the object; 0 when the server was only unreachable.',
  })
  failures!: number;

  @Field(() => DateTime, { description: 'Time of the next attempt at the earliest, UTC.' })
  nextAttemptAt!: Date;
}

@ObjectType({ description: 'State of mirroring the tenant’s objects to the MLflow server in MLFLOW_TRACKING_URI.' })
export class MirrorStatus {
  @Field(() => String, { nullable: true, description: 'Address of the other server; null when mirroring is off.' })
  server?: string | null;

  @Field(() => Int, { description: 'Number of objects with changes that are not mirrored yet.' })
  waiting!: number;

  @Field(() => Int, {
    description: 'Number of waiting objects that the server refused; they are tried again at growing intervals.',
  })
  failing!: number;

  @Field(() => DateTime, {
    nullable: true,
    description: 'Time of the oldest change that is not mirrored yet, UTC; null when nothing waits.',
  })
  oldestChangeAt?: Date | null;

  @Field(() => [MirrorError], {
    description: 'Errors of waiting objects, newest change first, at most 20.',
  })
  errors!: MirrorError[];
}
