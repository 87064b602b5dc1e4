import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { describeEnum, KeyValueInput } from '../types/common.types.js';
import { RangeOfModule } from '../types/range.js';
import { DATASETS_PER_CALL, DATASET_TEXTS } from '../../modules/experiments/index.js';
import { entriesOf, TAG_VALUE } from '../../modules/core/index.js';

export const DatasetDirection = describeEnum('DatasetDirection', 'Direction of a data flow.', {
  INPUT: 'The run read the data.',
  OUTPUT: 'The run made the data.',
});

@ObjectType({
  description: 'Data that a run read or wrote, according to its code: a reference with a digest, not a stored file.',
})
export class LoggedDataset {
  @Field(() => ID, { description: 'Opaque id (UUIDv7) of this record.' })
  id!: string;

  @Field(() => DatasetDirection, { description: 'Whether the run read or wrote the data.' })
  direction!: keyof typeof DatasetDirection;

  @Field(() => String, { description: 'Name of the data in the code; at most 500 characters.' })
  name!: string;

  @Field(() => String, { description: 'Hash of the content; the client chooses the algorithm; at most 36 characters.' })
  digest!: string;

  @Field(() => String, { description: 'Type of the location, e.g. `local`, `s3`, `http`, `registered`.' })
  sourceType!: string;

  @Field(() => String, { description: 'Location of the data; the format depends on `sourceType`; often JSON.' })
  source!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Columns and types as JSON in a format that the client chooses; null when not given.',
  })
  schema?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Statistics of the data, such as the number of rows, as JSON in a format that the client chooses.',
  })
  profile?: string | null;

  /** The API shows this as a list of entries, and as `context`. */
  tags!: Record<string, string>;
  /** The API shows this as `dataset`. */
  datasetId?: string | null;
}

@InputType({ description: 'Data that a run read or wrote: a registered dataset, or a reference to other data.' })
export class LoggedDatasetInput {
  @Field(() => DatasetDirection, { defaultValue: 'INPUT', description: 'Whether the run read or wrote the data.' })
  direction!: keyof typeof DatasetDirection;

  @Field(() => ID, {
    nullable: true,
    description:
      'A registered dataset. Its values are used for all fields that are absent here. NOT_FOUND ' +
      'when it does not exist.',
  })
  datasetId?: string | null;

  @RangeOfModule(DATASET_TEXTS.name)
  @Field(() => String, {
    nullable: true,
    description: 'Name of the data in the code; required without `datasetId`.',
  })
  name?: string | null;

  @RangeOfModule(DATASET_TEXTS.digest)
  @Field(() => String, {
    nullable: true,
    description:
      'Hash of the content; required without `datasetId`. 16 or more digits of a registered dataset’s ' +
      'SHA-256 link the data to that dataset.',
  })
  digest?: string | null;

  @RangeOfModule(DATASET_TEXTS.sourceType)
  @Field(() => String, {
    nullable: true,
    description: 'Type of the location; required without `datasetId`.',
  })
  sourceType?: string | null;

  @RangeOfModule(DATASET_TEXTS.source)
  @Field(() => String, {
    nullable: true,
    description: 'Location of the data; required without `datasetId`.',
  })
  source?: string | null;

  @RangeOfModule(DATASET_TEXTS.schema)
  @Field(() => String, { nullable: true, description: 'Columns and types.' })
  schema?: string | null;

  @RangeOfModule(DATASET_TEXTS.profile)
  @Field(() => String, { nullable: true, description: 'Statistics of the data.' })
  profile?: string | null;

  @RangeOfModule(DATASET_TEXTS.context)
  @Field(() => String, {
    nullable: true,
    description: 'Purpose of the data, e.g. `training` (tag mlflow.data.context).',
  })
  context?: string | null;

  @RangeOfModule(entriesOf(TAG_VALUE))
  @Field(() => [KeyValueInput], { nullable: true, description: 'Tags of this record.' })
  tags?: KeyValueInput[] | null;
}

@InputType({ description: 'Data that a run read and wrote.' })
export class LogRunDatasetsInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when it does not exist, CONFLICT when it is deleted.' })
  runId!: string;

  @RangeOfModule(DATASETS_PER_CALL)
  @Field(() => [LoggedDatasetInput], {
    description:
      'Datasets that the run reads or writes. If a dataset with the same name, digest and direction exists, ' +
      'only tags ' +
      'are added, so you can safely repeat a call.',
  })
  datasets!: LoggedDatasetInput[];
}
