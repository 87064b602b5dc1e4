import { Field, ID, ObjectType } from 'type-graphql';
import { BATCH_INFERENCE } from '../../modules/serving/index.js';
import { defineOutcome } from '../jobs/job-outcome.js';
import { SafeInt } from '../types/scalars.js';

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
}

export const batchInferenceOutcome = defineOutcome({
  kind: BATCH_INFERENCE,
  result: BATCH_INFERENCE.result,
  type: BatchInferenceOutcome,
  show: (result) => result,
});
