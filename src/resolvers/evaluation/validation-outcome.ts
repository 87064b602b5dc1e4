import { Field, Float, ObjectType } from 'type-graphql';
import { VALIDATION } from '../../modules/evaluation/index.js';
import { defineOutcome } from '../jobs/job-outcome.js';
import { SafeInt } from '../types/scalars.js';

@ObjectType({ description: 'What a VALIDATION left; the checks are in the version’s gate VALIDATION.' })
export class ValidationOutcome {
  @Field(() => Boolean, { description: 'Whether the gate VALIDATION is passed by it.' })
  passed!: boolean;

  @Field(() => [String], { description: 'Names of the checks that were not passed, e.g. `latency_p95_ms`.' })
  failedChecks!: string[];

  @Field(() => Float, {
    nullable: true,
    description: '95th percentile of the latency of single rows in milliseconds; null without an answer.',
  })
  latencyP95Ms!: number | null;

  @Field(() => SafeInt, { description: 'Rows that the model was tried on.' })
  sampleRows!: number;
}

export const validationOutcome = defineOutcome({
  kind: VALIDATION,
  result: VALIDATION.result,
  type: ValidationOutcome,
  show: (result) => result,
});
