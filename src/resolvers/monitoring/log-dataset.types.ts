import { Field, ID, InputType } from 'type-graphql';
import { PATH_NAME } from '../../modules/core/index.js';
import { DateTime } from '../types/scalars.js';
import { RangeOfModule } from '../types/range.js';

@InputType({
  description:
    'A part of the log of predictions that becomes a dataset. Give exactly one of endpointId and endpointName.',
})
export class RegisterPredictionLogInput {
  @Field(() => ID, { nullable: true, description: 'Id of the endpoint. NOT_FOUND when it does not exist.' })
  endpointId?: string | null;

  @Field(() => String, { nullable: true, description: 'Name of the endpoint. NOT_FOUND when it does not exist.' })
  endpointName?: string | null;

  @RangeOfModule(PATH_NAME)
  @Field(() => String, {
    description:
      'Name of the dataset; the next version of it when it exists, whose columns must then have the same types.',
  })
  name!: string;

  @Field(() => ID, {
    nullable: true,
    description: 'Only requests that this deployment answered; all when absent. NOT_FOUND when it does not exist.',
  })
  deploymentId?: string | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'Requests logged from this time on, UTC; 30 days before the end when absent.',
  })
  from?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Requests logged before this time, UTC; now when absent.' })
  to?: Date | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether only rows whose ground truth is known are taken; false when absent.',
  })
  labelledOnly?: boolean | null;
}
