import { Field, Int, ObjectType } from 'type-graphql';
import type { Signature } from '../../modules/model-contract/index.js';
import { TRAINING } from '../../modules/training/index.js';
import { defineOutcome, finiteMetrics } from '../jobs/job-outcome.js';
import { RunWarning } from '../experiments/run.types.js';
import { ModelSignatureType, NamedMetric } from '../registry/model-version.types.js';
import { MetricValue, SafeInt } from '../types/scalars.js';

@ObjectType({ description: 'What a TRAINING left.' })
export class TrainingOutcome {
  @Field(() => SafeInt, { description: 'Size of the trained model.onnx in bytes.' })
  sizeBytes!: number;

  @Field(() => String, { description: 'SHA-256 of the trained model.onnx, hexadecimal.' })
  sha256!: string;

  @Field(() => ModelSignatureType, { description: 'What the model takes and gives.' })
  signature!: Signature;

  @Field(() => [NamedMetric], { description: 'Final metrics by name, e.g. `holdout.log_loss`.' })
  metrics!: NamedMetric[];

  @Field(() => MetricValue, {
    nullable: true,
    description:
      'Largest absolute difference between the trainer’s outputs and the runtime’s; null when it is not finite.',
  })
  agreementMaxAbsDiff!: number | null;

  @Field(() => SafeInt, { description: 'Rows that it learnt from.' })
  trainRows!: number;

  @Field(() => SafeInt, { description: 'Rows that watched it learn.' })
  validationRows!: number;

  @Field(() => SafeInt, { description: 'Rows that were kept for the last measurement.' })
  holdoutRows!: number;

  @Field(() => Int, { description: 'Passes over the rows, early stopping included.' })
  epochsRun!: number;

  @Field(() => Int, { description: 'The epoch whose weights were kept, from 1.' })
  bestEpoch!: number;

  @Field(() => Boolean, { description: 'Whether it ended before its last epoch.' })
  stoppedEarly!: boolean;

  @Field(() => [RunWarning], { description: 'What to look at before the model is used, as its run shows it.' })
  warnings!: RunWarning[];
}

export const trainingOutcome = defineOutcome({
  kind: TRAINING,
  result: TRAINING.result.omit({ reference: true }),
  type: TrainingOutcome,
  show: ({ metrics, rows, warnings = [], ...rest }) => ({
    ...rest,
    metrics: finiteMetrics(metrics),
    warnings,
    trainRows: rows.train,
    validationRows: rows.validation,
    holdoutRows: rows.holdout,
  }),
});
