import { JobRequestInput } from '../jobs/job.types.js';
import { Field, ID, InputType, Int } from 'type-graphql';
import { Range } from '../types/range.js';
import { ALIAS } from '../../modules/registry/index.js';
import {
  BATCH_WORKERS,
  type BatchBackend,
  MAX_KEY_COLUMNS,
  MAX_PARTITION_COLUMNS,
  MAX_PARTITIONS,
} from '../../modules/serving/index.js';
import { describeEnum } from '../types/common.types.js';

const BatchBackendEnum = describeEnum<BatchBackend>('BatchBackend', 'Where a batch inference predicts.', {
  LOCAL: 'A worker of this service.',
  RAY: 'The Ray cluster of RAY_ADDRESS: Ray Data gives each of its processes one part of the rows after the other.',
  SPARK: 'The Spark of SPARK_SUBMIT: each of its tasks takes one part of the rows (mapInPandas).',
});

@InputType({ description: 'Dataset to predict for, and the model version.' })
export class StartBatchInferenceInput {
  @Field(() => ID, {
    nullable: true,
    description:
      'A READY version, in any stage, whose inputs have one element per row. NOT_FOUND when it does not exist, ' +
      'BAD_USER_INPUT when it is absent and no alias names one.',
  })
  modelVersionId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'With `alias`, in place of `modelVersionId`: the model. NOT_FOUND when it does not exist or has no such alias.',
  })
  modelId?: string | null;

  @Range(ALIAS)
  @Field(() => String, {
    nullable: true,
    description:
      'Alias of the model, e.g. `champion`: the version that has it now is used. A clone, and each start of a schedule, ' +
      'uses the version that has it then.',
  })
  alias?: string | null;

  @Field(() => ID, {
    description:
      'The rows: a dataset with one column per input of the model, with the same name, and with ' +
      'numbers where the model takes numbers. NOT_FOUND when it does not exist.',
  })
  datasetId!: string;

  @Range({ max: MAX_KEY_COLUMNS, unit: 'columns' })
  @Field(() => [String], {
    nullable: true,
    description:
      'Columns of the dataset to copy into the result. The column `row_number` (from 0) is always in the result.',
  })
  keyColumns?: string[] | null;

  @Range({ max: MAX_PARTITION_COLUMNS, unit: 'columns' })
  @Field(() => [String], {
    nullable: true,
    description:
      'Columns of the dataset by whose values the rows are stored once more, in a folder as Hive names it: ' +
      '`predictions/<column>=<value>/data_0.parquet`, see `partitions` of the outcome. They are key columns, too. ' +
      `BAD_USER_INPUT when there are more than ${MAX_PARTITIONS} combinations of their values; the job fails with it ` +
      'where only the rows show this.',
  })
  partitionBy?: string[] | null;

  @Field(() => BatchBackendEnum, {
    nullable: true,
    description:
      'Where the rows are predicted; LOCAL when absent. UNAVAILABLE when the cluster is not configured, does not answer, ' +
      'or refuses the token.',
  })
  backend?: BatchBackend | null;

  @Range(BATCH_WORKERS)
  @Field(() => Int, {
    nullable: true,
    description:
      'Only with RAY: the most processes that predict at the same time, each with a CPU of the cluster; 1 when absent. ' +
      'BAD_USER_INPUT with another backend.',
  })
  workers?: number | null;

  @Field(() => JobRequestInput, {
    nullable: true,
    description: 'Resources, priority and time of the job; those of the kind when absent.',
  })
  job?: JobRequestInput | null;
}
