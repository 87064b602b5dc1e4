import { Field, ID, ObjectType } from 'type-graphql';
import { BATCH_INFERENCE, MAX_PARTITIONS } from '../../modules/serving/index.js';
import { defineOutcome } from '../jobs/job-outcome.js';
import { SafeInt } from '../types/scalars.js';

@ObjectType({ description: 'A file of the folder that `partitionBy` asks for.' })
export class BatchPartition {
  @Field(() => String, {
    description:
      'Path, e.g. `predictions/country=DE/data_0.parquet`. Special characters of values are percent-encoded; a missing ' +
      'value is `__HIVE_DEFAULT_PARTITION__`. The file has the columns of the result but those of `partitionBy`.',
  })
  path!: string;

  @Field(() => ID, { description: 'To download it, by `artifact` or in the list of the run.' })
  artifactId!: string;

  @Field(() => String, {
    description: 'Path to GET the file with your token, relative to the address of this service.',
  })
  downloadUrl!: string;

  @Field(() => SafeInt, { description: 'Size of the Parquet file in bytes.' })
  sizeBytes!: number;

  @Field(() => String, { description: 'SHA-256 of the file, hexadecimal.' })
  sha256!: string;
}

@ObjectType({ description: 'Outcome of a BATCH_INFERENCE job: one Parquet file.' })
export class BatchInferenceOutcome {
  @Field(() => ID, { description: 'Artifact id of the Parquet file, to download it.' })
  artifactId!: string;

  @Field(() => String, {
    description: 'Path to GET the file with your token, relative to the address of this service.',
  })
  downloadUrl!: string;

  @Field(() => SafeInt, { description: 'Number of rows in the file, as many as the dataset has.' })
  rows!: number;

  @Field(() => SafeInt, { description: 'Size of the Parquet file in bytes, as downloaded from `downloadUrl`.' })
  sizeBytes!: number;

  @Field(() => String, { description: 'SHA-256 of the file, hexadecimal.' })
  sha256!: string;

  @Field(() => [BatchPartition], {
    description: `The same rows once more, by the values of \`partitionBy\`, sorted by path; at most ${MAX_PARTITIONS}. Empty without it.`,
  })
  partitions!: BatchPartition[];
}

export const batchInferenceOutcome = defineOutcome({
  kind: BATCH_INFERENCE,
  result: BATCH_INFERENCE.result,
  type: BatchInferenceOutcome,
  show: ({ partitions = [], ...result }) => ({ ...result, partitions }),
});
