import { Field, ID, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { DateTime } from '../types/scalars.js';

export const GateEnum = describeEnum('Gate', 'Evidence that a stage asks for.', {
  EVALUATION: 'Better than the baseline on rows that it never saw; for the first production version.',
  VALIDATION: 'Signature, sample predictions, holdout metrics, latency and agreement; for STAGING.',
  SHADOW: 'Answered a copy of production’s traffic well; for PRODUCTION beside a version that is there.',
});

@ObjectType('GateCheck', { description: 'One thing that was demanded, with what was found.' })
export class GateCheckType {
  @Field(() => String, { description: 'Stable name, e.g. `latency_p95_ms`.' })
  name!: string;

  @Field(() => Boolean, { description: 'Whether it holds.' })
  passed!: boolean;

  @Field(() => String, { description: 'What would have been enough.' })
  expected!: string;

  @Field(() => String, { description: 'What was found.' })
  got!: string;

  @Field(() => String, { description: 'The finding as a sentence.' })
  message!: string;
}

@ObjectType('GateResult', { description: 'The newest decision of a gate about a version.' })
export class GateResultType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => GateEnum, { description: 'What was judged: evaluation, validation or shadow.' })
  gate!: keyof typeof GateEnum;

  @Field(() => Boolean, { description: 'True when every check passed.' })
  passed!: boolean;

  @Field(() => [GateCheckType], { description: 'Its conditions, in order.' })
  checks!: GateCheckType[];

  @Field(() => DateTime, { description: 'When it was decided, UTC.' })
  createdAt!: Date;

  /** Shown as an object. */
  comparedWithId?: string | null;
}
