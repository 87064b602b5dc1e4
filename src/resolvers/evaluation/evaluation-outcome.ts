import { Field, ID, ObjectType } from 'type-graphql';
import { EVALUATION } from '../../modules/evaluation/index.js';
import { defineOutcome, finiteMetrics } from '../jobs/job-outcome.js';
import { NamedMetric } from '../registry/model-version.types.js';
import { SafeInt } from '../types/scalars.js';

@ObjectType({ description: 'Outcome of an EVALUATION job; `evaluation(id: evaluationId)` has the complete report.' })
export class EvaluationOutcome {
  @Field(() => ID, { description: 'Id of the evaluation, the same as the id of the job.' })
  evaluationId!: string;

  @Field(() => Boolean, { description: 'Whether the evaluation passes the gate EVALUATION.' })
  passed!: boolean;

  @Field(() => SafeInt, { description: 'Number of evaluated rows.' })
  rows!: number;

  @Field(() => [NamedMetric], { description: 'Measured metrics by name, e.g. `roc_auc`.' })
  metrics!: NamedMetric[];

  @Field(() => ID, {
    nullable: true,
    description: 'Baseline version; null when only the base rate was compared.',
  })
  baselineVersionId!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Why the baseline version could not answer the same rows; null when it could.',
  })
  baselineProblem!: string | null;
}

export const evaluationOutcome = defineOutcome({
  kind: EVALUATION,
  result: EVALUATION.result,
  type: EvaluationOutcome,
  show: ({ metrics, ...rest }) => ({ ...rest, metrics: finiteMetrics(metrics) }),
});
