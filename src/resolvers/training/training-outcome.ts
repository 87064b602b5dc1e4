import { Field, Int, ObjectType } from 'type-graphql';
import type { Signature } from '../../modules/model-contract/index.js';
import { TRAINING } from '../../modules/training/index.js';
import { defineOutcome, finiteMetrics } from '../jobs/job-outcome.js';
import { RunWarning } from '../experiments/run.types.js';
import { CrossValidationOutcome, showCrossValidation } from './cross-validation.types.js';
import { ModelSignatureType, NamedMetric } from '../registry/model-version.types.js';
import { MetricValue, SafeInt } from '../types/scalars.js';

@ObjectType({ description: 'Result of a TRAINING job: the trained model and its metrics.' })
export class TrainingOutcome {
  @Field(() => SafeInt, { description: 'Size of the trained model.onnx in bytes.' })
  sizeBytes!: number;

  @Field(() => String, { description: 'SHA-256 of the trained model.onnx, hexadecimal.' })
  sha256!: string;

  @Field(() => ModelSignatureType, { description: 'Inputs and outputs of the model.' })
  signature!: Signature;

  @Field(() => [NamedMetric], { description: 'Final metrics by name, e.g. `holdout.log_loss`.' })
  metrics!: NamedMetric[];

  @Field(() => MetricValue, {
    nullable: true,
    description:
      'Largest absolute difference between the outputs of the trainer and the runtime; null when it ' +
      'is not finite.',
  })
  agreementMaxAbsDiff!: number | null;

  @Field(() => SafeInt, { description: 'Number of training rows.' })
  trainRows!: number;

  @Field(() => SafeInt, { description: 'Number of validation rows, which are used to watch the training.' })
  validationRows!: number;

  @Field(() => SafeInt, { description: 'Number of holdout rows, used only for the final metrics.' })
  holdoutRows!: number;

  @Field(() => Int, { description: 'Number of epochs that were run.' })
  epochsRun!: number;

  @Field(() => Int, { description: 'Epoch whose weights were kept, from 1.' })
  bestEpoch!: number;

  @Field(() => Boolean, { description: 'Whether the training stopped before its last epoch.' })
  stoppedEarly!: boolean;

  @Field(() => CrossValidationOutcome, {
    nullable: true,
    description: 'Result of the cross-validation; null when the configuration has none.',
  })
  crossValidation!: CrossValidationOutcome | null;

  @Field(() => [RunWarning], {
    description: 'Warnings to check before you use the model; the run has the same warnings.',
  })
  warnings!: RunWarning[];
}

export const trainingOutcome = defineOutcome({
  kind: TRAINING,
  result: TRAINING.result,
  type: TrainingOutcome,
  show: ({ metrics, rows, crossValidation, warnings = [], ...rest }) => ({
    ...rest,
    crossValidation: crossValidation ? showCrossValidation(crossValidation) : null,
    metrics: finiteMetrics(metrics),
    warnings,
    trainRows: rows.train,
    validationRows: rows.validation,
    holdoutRows: rows.holdout,
  }),
});
