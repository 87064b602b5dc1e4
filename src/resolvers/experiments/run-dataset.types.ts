import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { describeEnum, KeyValueInput } from '../types/common.types.js';

export const DatasetDirection = describeEnum('DatasetDirection', 'Which way data went.', {
  INPUT: 'The run read it.',
  OUTPUT: 'The run made it.',
});

@ObjectType({
  description: 'Data that a run read or made, as its code said: a reference with a digest, not a stored file.',
})
export class LoggedDataset {
  @Field(() => ID, { description: 'Opaque id (UUIDv7) of this use.' })
  id!: string;

  @Field(() => DatasetDirection, { description: 'Whether the run read it or made it.' })
  direction!: keyof typeof DatasetDirection;

  @Field(() => String, { description: 'What the code calls it; at most 500 characters.' })
  name!: string;

  @Field(() => String, { description: 'Hash of its content, of a kind that the client chose; at most 36 characters.' })
  digest!: string;

  @Field(() => String, { description: 'Kind of place where it lies, e.g. `local`, `s3`, `http`, `registered`.' })
  sourceType!: string;

  @Field(() => String, { description: 'Where it lies, in the form that its kind of place has; often JSON.' })
  source!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Columns and types as JSON of the client’s own form, when it said.',
  })
  schema?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Figures about it, such as the number of rows, as JSON of the client’s own form.',
  })
  profile?: string | null;

  /** Shown as entries, and as `context`. */
  tags!: Record<string, string>;
  /** Shown as `dataset`. */
  datasetId?: string | null;
}

@InputType({ description: 'Data that a run read or made: a registered dataset, or a reference to any other.' })
export class LoggedDatasetInput {
  @Field(() => DatasetDirection, { defaultValue: 'INPUT', description: 'Whether the run read it or made it.' })
  direction!: keyof typeof DatasetDirection;

  @Field(() => ID, {
    nullable: true,
    description: 'A registered dataset, from which whatever is not given here is taken. NOT_FOUND when there is none.',
  })
  datasetId?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'What the code calls it: 1 to 500 characters; needed without `datasetId`.',
  })
  name?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Hash of its content, 1 to 36 characters; needed without `datasetId`. 16 or more digits of a ' +
      'registered dataset’s SHA-256 link it to that.',
  })
  digest?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Kind of place where it lies, at most 36 characters; needed without `datasetId`.',
  })
  sourceType?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Where it lies, at most 65,535 characters; needed without `datasetId`.',
  })
  source?: string | null;

  @Field(() => String, { nullable: true, description: 'Columns and types, at most 1,048,575 characters.' })
  schema?: string | null;

  @Field(() => String, { nullable: true, description: 'Figures about it, at most 16,777,215 characters.' })
  profile?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'What it was used for, e.g. `training` (tag mlflow.data.context).',
  })
  context?: string | null;

  @Field(() => [KeyValueInput], { nullable: true, description: 'Labels of this use, at most 100.' })
  tags?: KeyValueInput[] | null;
}

@InputType({ description: 'What a run read and made.' })
export class LogRunDatasetsInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when there is none, CONFLICT when it is deleted.' })
  runId!: string;

  @Field(() => [LoggedDatasetInput], {
    description:
      '1 to 1,000. The same name and digest again in one direction adds only tags, so that a call can be repeated.',
  })
  datasets!: LoggedDatasetInput[];
}
