import { Field, ID, InputType } from 'type-graphql';

@InputType({ description: 'A dataset to predict for with one model version.' })
export class StartBatchInferenceInput {
  @Field(() => ID, {
    description: 'A READY version, in any stage, with one element per row and input. NOT_FOUND when there is none.',
  })
  modelVersionId!: string;

  @Field(() => ID, {
    description:
      'The rows: a dataset with a column for every input of the model, by name, numbers where it takes ' +
      'numbers. NOT_FOUND when there is none.',
  })
  datasetId!: string;

  @Field(() => [String], {
    nullable: true,
    description:
      'Columns of the dataset to carry over into the result, at most 100, beside `row_number` (from 0), ' +
      'which it always has.',
  })
  keyColumns?: string[] | null;
}
