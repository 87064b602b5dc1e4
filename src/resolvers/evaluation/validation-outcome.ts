import { Field, Float, ObjectType } from 'type-graphql';
import { VALIDATION } from '../../modules/evaluation/index.js';
import { defineOutcome } from '../jobs/job-outcome.js';
import { SafeInt } from '../types/scalars.js';

@ObjectType({ description: 'Outcome of a VALIDATION job; the gate VALIDATION of the version has the checks.' })
export class ValidationOutcome {
  @Field(() => Boolean, { description: 'Whether the gate VALIDATION passed.' })
  passed!: boolean;

  @Field(() => [String], { description: 'Names of the failed checks, e.g. `latency_p95_ms`.' })
  failedChecks!: string[];

  @Field(() => Float, {
    nullable: true,
    description: '95th percentile of the latency of single rows in milliseconds; null when no row was answered.',
  })
  latencyP95Ms!: number | null;

  @Field(() => SafeInt, { description: 'Number of rows on which the model was tried.' })
  sampleRows!: number;
}

export const validationOutcome = defineOutcome({
  kind: VALIDATION,
  result: VALIDATION.result,
  type: ValidationOutcome,
  show: (result) => result,
});
