import { Field, ID, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { DateTime } from '../types/scalars.js';

export const GateEnum = describeEnum('Gate', 'A gate: a set of checks that a version must pass before a promotion.', {
  EVALUATION:
    'The version is better than the baseline on rows that were not used for training. The ' +
    'baseline predicts the class frequencies, or the mean, of the training rows for every row. ' +
    'Required for the first production version.',
  VALIDATION:
    'Signature, sample predictions, holdout metrics, latency, and whether the trainer and the ' +
    'inference engine give the same outputs. Required for STAGING.',
  SHADOW:
    'The version gave good answers to a copy of the production traffic. Required for PRODUCTION ' +
    'when another version is there.',
  AB_TEST:
    'The version won an A/B test against the version in PRODUCTION, its first variant, on live traffic. ' +
    'Required only where a gate policy says so.',
});

@ObjectType('GateCheck', { description: 'One condition of a gate, with its measured value.' })
export class GateCheckType {
  @Field(() => String, { description: 'Stable name of the check, e.g. `latency_p95_ms`.' })
  name!: string;

  @Field(() => Boolean, { description: 'Whether the check passed.' })
  passed!: boolean;

  @Field(() => String, { description: 'Condition to pass, e.g. `≤ 50`.' })
  expected!: string;

  @Field(() => String, { description: 'Measured value.' })
  got!: string;

  @Field(() => String, { description: 'Result of the check as a sentence.' })
  message!: string;
}

@ObjectType('GateResult', { description: 'Newest result of a gate for a version.' })
export class GateResultType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => GateEnum, { description: 'Which gate: evaluation, validation, shadow or A/B test.' })
  gate!: keyof typeof GateEnum;

  @Field(() => Boolean, { description: 'True when every check passed.' })
  passed!: boolean;

  @Field(() => [GateCheckType], { description: 'Checks of the gate, in order.' })
  checks!: GateCheckType[];

  @Field(() => DateTime, { description: 'Time of the decision, UTC.' })
  createdAt!: Date;

  /** The API shows this id as an object. */
  comparedWithId?: string | null;
}
