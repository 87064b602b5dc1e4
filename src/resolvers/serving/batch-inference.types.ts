import { JobRequestInput } from '../jobs/job.types.js';
import { Field, ID, InputType } from 'type-graphql';
import { Range } from '../types/range.js';
import { MAX_KEY_COLUMNS } from '../../modules/serving/index.js';

@InputType({ description: 'Dataset to predict for, and the model version.' })
export class StartBatchInferenceInput {
  @Field(() => ID, {
    description:
      'A READY version, in any stage, whose inputs have one element per row. NOT_FOUND when it does not exist.',
  })
  modelVersionId!: string;

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

  @Field(() => JobRequestInput, {
    nullable: true,
    description: 'Resources, priority and time of the job; those of the kind when absent.',
  })
  job?: JobRequestInput | null;
}
