import { Field, ObjectType } from 'type-graphql';
import { GROUND_TRUTH_IMPORT, MAX_REJECTIONS } from '../../modules/monitoring/index.js';
import { defineOutcome } from '../jobs/job-outcome.js';
import { SafeInt } from '../types/scalars.js';

@ObjectType({ description: 'A row of a dataset that an import of ground truth rejected, and the reason.' })
export class RejectedGroundTruthRow {
  @Field(() => SafeInt, { description: 'Number of the row in the dataset, from 1.' })
  row!: number;

  @Field(() => String, { description: 'Request id in the row; empty when it is missing.' })
  requestId!: string;

  @Field(() => String, { description: 'Kind of reason: NOT_FOUND, CONFLICT or BAD_USER_INPUT, as in RejectionCode.' })
  code!: string;

  @Field(() => String, { description: 'Reason and what to do, in one sentence.' })
  message!: string;
}

@ObjectType({ description: 'Outcome of a GROUND_TRUTH_IMPORT job: what became of the rows.' })
export class GroundTruthImportOutcome {
  @Field(() => SafeInt, { description: 'Number of rows of the dataset that were read.' })
  rows!: number;

  @Field(() => SafeInt, { description: 'Number of rows whose prediction had no ground truth before.' })
  added!: number;

  @Field(() => SafeInt, {
    description: 'Number of rows whose prediction had another ground truth, which is now in its history.',
  })
  replaced!: number;

  @Field(() => SafeInt, {
    description: 'Number of rows whose prediction had the same ground truth, or one that became known later.',
  })
  unchangedRows!: number;

  @Field(() => SafeInt, { description: 'Number of rows without a label or value: their truth is not known yet.' })
  missing!: number;

  @Field(() => SafeInt, { description: 'Number of rows that were rejected.' })
  rejected!: number;

  @Field(() => [RejectedGroundTruthRow], { description: `The first ${MAX_REJECTIONS} of them, by row.` })
  rejections!: RejectedGroundTruthRow[];
}

export const groundTruthImportOutcome = defineOutcome({
  kind: GROUND_TRUTH_IMPORT,
  result: GROUND_TRUTH_IMPORT.result,
  type: GroundTruthImportOutcome,
  show: ({ unchanged, ...result }) => ({ ...result, unchangedRows: unchanged }),
});
