import { Field, ID, Int, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { DateTime } from '../types/scalars.js';

export const MirroredKindEnum = describeEnum('MirroredKind', 'What can be mirrored to another tracking server.', {
  EXPERIMENT: 'Name, tags and whether it is deleted.',
  RUN: 'Parameters, tags, metric points, status, times and parent.',
  MODEL: 'A registered model: name, description and tags.',
  MODEL_VERSION: 'Description, tags, stage and aliases.',
});

@ObjectType({ description: 'Something that could not be mirrored yet, and why.' })
export class MirrorError {
  @Field(() => MirroredKindEnum, { description: 'Type of the thing.' })
  kind!: keyof typeof MirroredKindEnum;

  @Field(() => ID, { description: 'Which experiment, run, model or version.' })
  id!: string;

  @Field(() => String, { description: 'What the other server said last, or that it did not answer.' })
  error!: string;

  @Field(() => Int, { description: 'How often it was refused; 0 while the server is only away.' })
  failures!: number;

  @Field(() => DateTime, { description: 'Before this time it is not tried again, UTC.' })
  nextAttemptAt!: Date;
}

@ObjectType({ description: 'How far the tenant’s things are mirrored to the MLflow server of MLFLOW_TRACKING_URI.' })
export class MirrorStatus {
  @Field(() => String, { nullable: true, description: 'Address of that server; null when nothing is mirrored.' })
  server?: string | null;

  @Field(() => Int, { description: 'Things that have changed here and are not the same there yet.' })
  waiting!: number;

  @Field(() => Int, { description: 'How many of those were refused by that server; they are tried again, ever later.' })
  failing!: number;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When the first of those that wait changed, UTC; null when none waits.',
  })
  oldestChangeAt?: Date | null;

  @Field(() => [MirrorError], {
    description: 'What went wrong with things that wait, newest change first, at most 20.',
  })
  errors!: MirrorError[];
}
