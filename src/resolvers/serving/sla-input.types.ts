import { Field, Float, InputType } from 'type-graphql';
import { SLA_ERROR_RATE, SLA_LATENCY_MS } from '../../modules/serving/index.js';
import { Range } from '../types/range.js';

@InputType({ description: 'What a deployment promises. What is absent comes from its endpoint, or from the platform.' })
export class SlaInput {
  @Range(SLA_LATENCY_MS)
  @Field(() => Float, {
    nullable: true,
    description: 'Time within which 95 % of the requests are answered; of a language model, have their first token.',
  })
  latencyP95Ms?: number | null;

  @Range(SLA_ERROR_RATE)
  @Field(() => Float, { nullable: true, description: 'Fraction of the requests that may fail.' })
  maxErrorRate?: number | null;
}
