import { Field, ObjectType } from 'type-graphql';
import { CONVERSION } from '../../modules/registry/index.js';
import { defineOutcome } from '../jobs/job-outcome.js';
import { MetricValue } from '../types/scalars.js';

@ObjectType({ description: 'Outcome of a CONVERSION job: the model.onnx of the version.' })
export class ConversionOutcome {
  @Field(() => String, { description: 'Framework of the original model, e.g. `sklearn`.' })
  framework!: string;

  @Field(() => String, { description: 'SHA-256 of the model.onnx, hexadecimal.' })
  sha256!: string;

  @Field(() => MetricValue, {
    nullable: true,
    description: 'Largest absolute difference between the answers of the two models; null when no rows were compared.',
  })
  maxAbsDiff!: number | null;

  @Field(() => MetricValue, {
    nullable: true,
    description:
      'Largest difference between the answers of the two models, divided by max(1, |answer|); null ' +
      'when no rows were compared.',
  })
  maxScaledDiff!: number | null;
}

export const conversionOutcome = defineOutcome({
  kind: CONVERSION,
  result: CONVERSION.result,
  type: ConversionOutcome,
  show: (result) => result,
});
