import { Field, ID, ObjectType } from 'type-graphql';
import { LOG_DATASET } from '../../modules/monitoring/index.js';
import { defineOutcome } from '../jobs/job-outcome.js';
import { SafeInt } from '../types/scalars.js';

@ObjectType({ description: 'Outcome of a LOG_DATASET job: the dataset that it has registered.' })
export class LogDatasetOutcome {
  @Field(() => SafeInt, { description: 'Number of rows of the dataset.' })
  rows!: number;

  @Field(() => SafeInt, { description: 'Number of them whose ground truth is known.' })
  labelledRows!: number;

  @Field(() => ID, { description: 'Id of the dataset, for the query `dataset` and to train on.' })
  datasetId!: string;
}

export const logDatasetOutcome = defineOutcome({
  kind: LOG_DATASET,
  result: LOG_DATASET.result,
  type: LogDatasetOutcome,
  show: (result) => result,
});
