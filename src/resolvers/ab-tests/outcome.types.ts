import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { AB_TEST_RANGES } from '../../modules/ab-tests/index.js';
import { NAME } from '../../modules/core/index.js';
import { REQUEST_KEY } from '../../modules/serving/index.js';
import { Range, RangeOfModule } from '../types/range.js';
import { DateTime } from '../types/scalars.js';

@InputType({ description: 'What became of a routing key.' })
export class OutcomeInput {
  @RangeOfModule(REQUEST_KEY)
  @Field(() => String, {
    nullable: true,
    description:
      'Your own id of this outcome, e.g. of an order. The same outcome under the same id counts once in a test, ' +
      'however often it comes; CONFLICT when anything of it is different. Without an id, each one counts.',
  })
  id?: string | null;

  @RangeOfModule(REQUEST_KEY)
  @Field(() => String, { description: 'The routing key of its predictions.' })
  routingKey!: string;

  @Range(NAME)
  @Field(() => String, { description: 'Name of the metric, e.g. `purchases`.' })
  metric!: string;

  @Field(() => Float, { description: 'The value, in the unit of the metric; several of a key add up.' })
  value!: number;

  @Field(() => DateTime, {
    nullable: true,
    description: 'Time when it happened, UTC; now when absent. Before the start of the test it is a past.',
  })
  at?: Date | null;
}

@InputType({ description: 'Outcomes of routing keys of one endpoint.' })
export class RecordOutcomesInput {
  @Field(() => ID, {
    nullable: true,
    description: 'Endpoint. NOT_FOUND when it does not exist. Give exactly one of endpointId and endpointName.',
  })
  endpointId?: string | null;

  @Range(NAME)
  @Field(() => String, {
    nullable: true,
    description: 'Name of the endpoint. Give exactly one of endpointId and endpointName.',
  })
  endpointName?: string | null;

  @RangeOfModule(AB_TEST_RANGES.outcomes)
  @Field(() => [OutcomeInput], {
    description: 'The outcomes. A call that is repeated counts again those without an id.',
  })
  outcomes!: OutcomeInput[];
}

@ObjectType({ description: 'What was recorded.' })
export class RecordOutcomesPayload {
  @Field(() => Int, { description: 'Outcomes that count for the A/B test of the endpoint.' })
  recorded!: number;

  @Field(() => Int, {
    description: 'Outcomes that nothing uses: their metric is in no planned or running test of the endpoint.',
  })
  unused!: number;

  @Field(() => Int, { description: 'Outcomes that counted already: they were recorded before under the same id.' })
  repeated!: number;
}
