import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { CANARY_RANGES } from '../../modules/rollouts/index.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { Range } from '../types/range.js';
import { DateTime, SafeInt } from '../types/scalars.js';

export const CanaryStatus = describeEnum('CanaryStatus', 'How far a canary is.', {
  LOADING: 'Its model is being loaded; the old version has all traffic.',
  RUNNING: 'It has the traffic of the present step, and its guards are watched.',
  PAUSED: 'It keeps the traffic of the present step until a person decides. A proven failure still ends it.',
  WAITING_FOR_APPROVAL: 'It has passed a step whose successor a person or a webhook must approve.',
  PROMOTED: 'The new version has all traffic, and the old one was stopped.',
  ROLLED_BACK: 'It was proven to be worse than its control; the old version has all traffic.',
  ABORTED: 'A person ended it; the old version has all traffic.',
  LOAD_FAILED: 'The new version could not be loaded; the old one served all the time.',
});

export const CanaryGuardKind = describeEnum('CanaryGuardKind', 'A metric that a canary is judged by.', {
  ERROR_RATE: 'Share of requests that failed because of the model or this service.',
  LATENCY_P95: '95th percentile of the latency.',
  WRONG_ANSWERS:
    'Share of rows of a classification that were answered with another class than the true one, of those with ground ' +
    'truth (recordGroundTruth).',
});

export const CanaryVerdict = describeEnum('CanaryVerdict', 'What is proven about a canary.', {
  PASS: 'It is not worse than its control by more than the guard allows.',
  FAIL: 'It is worse than its control by more than the guard allows.',
  INCONCLUSIVE: 'Neither is proven yet.',
});

export const CanaryApproval = describeEnum('CanaryApproval', 'Who must agree after a step.', {
  NONE: 'Nobody: the canary goes on when its guards pass.',
  PERSON: 'A person, with `approveCanary`.',
  WEBHOOK:
    'The webhook of the canary: it is sent the canary as JSON, signed, every 10 seconds until it answers with 2xx. ' +
    '`approveCanary` works as well.',
});

type CanaryOrderBy = 'createdAt' | 'updatedAt';
export const CanaryOrderField = describeOrderFields<CanaryOrderBy>(
  'CanaryOrderField',
  'Fields by which canaries can be sorted.',
  { CREATED_AT: ['createdAt', 'Time of the start.'], UPDATED_AT: ['updatedAt', 'Time of the last change.'] },
);

@ObjectType('CanaryStep', { description: 'A share of the traffic, and how long it is watched.' })
export class CanaryStepType {
  @Field(() => Int, { description: 'Fraction of the requests that the canary gets, in basis points.' })
  weightBps!: number;

  @Field(() => Int, { description: 'Time in seconds after which the guards decide whether the next step follows.' })
  bakeSeconds!: number;

  @Field(() => CanaryApproval, { description: 'Who must agree before what follows.' })
  approval!: keyof typeof CanaryApproval;
}

@ObjectType({
  description:
    'What is known about a metric of one variant. The interval is valid at any time: whoever looks after every ' +
    'request is wrong no more often than who looks once.',
})
export class CanaryEstimate {
  @Field(() => Float, {
    nullable: true,
    description: 'Measured value: a share from 0 to 1, or milliseconds; null without requests.',
  })
  value!: number | null;

  @Field(() => Float, { description: 'Lower end of the interval, in the unit of `value`.' })
  low!: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Upper end of the interval, in the unit of `value`; null when nothing limits it yet.',
  })
  high!: number | null;
}

@ObjectType({ description: 'A guard with its verdict at the last look.' })
export class CanaryJudgement {
  @Field(() => CanaryGuardKind, { description: 'Which figure of the two variants is compared.' })
  kind!: keyof typeof CanaryGuardKind;

  @Field(() => Float, {
    description:
      'How much worse the canary may be: the difference of the shares; for LATENCY_P95 a fraction of the control’s.',
  })
  maxIncrease!: number;

  @Field(() => CanaryVerdict, { description: 'What is proven.' })
  verdict!: keyof typeof CanaryVerdict;

  @Field(() => String, { description: 'Why, as a sentence.' })
  reason!: string;

  @Field(() => CanaryEstimate, {
    description: 'What is known about it from the requests that the new version has answered.',
  })
  canary!: CanaryEstimate;

  @Field(() => CanaryEstimate, { description: 'The metric of the control, at the same time.' })
  control!: CanaryEstimate;
}

@ObjectType('Canary', {
  description:
    'A new version that gets the traffic of an endpoint step by step, while its metrics are compared with those of a ' +
    'control: a second deployment of the old version with as many requests, counted apart.',
})
export class CanaryType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => CanaryStatus, { description: 'How far it is.' })
  status!: keyof typeof CanaryStatus;

  @Field(() => String, { description: 'Why it is in this status, as a sentence.' })
  reason!: string;

  @Field(() => [CanaryStepType], { description: 'The steps, in order; the promotion follows the last one.' })
  steps!: CanaryStepType[];

  @Field(() => Int, { description: 'Position of the present step in `steps`, from 0.' })
  step!: number;

  @Field(() => DateTime, {
    nullable: true,
    description: 'Time when the present step began, or began again, UTC; null before the first one.',
  })
  stepStartedAt?: Date | null;

  @Field(() => [CanaryJudgement], { description: 'The guards at the last look; empty before the first one.' })
  judgement!: CanaryJudgement[];

  @Field(() => Float, {
    description: 'Probability, 0 to 1, that a canary as good as its control is rolled back, over all looks together.',
  })
  alpha!: number;

  @Field(() => SafeInt, {
    description: 'Number of requests, or rows with a true class, per variant before which nothing is decided.',
  })
  minRequests!: number;

  @Field(() => Int, { description: 'Number of looks in a row with FAIL at which it is rolled back.' })
  failureLimit!: number;

  @Field(() => Int, { description: 'Number of looks in a row without readable counters at which it is paused.' })
  sourceErrorLimit!: number;

  @Field(() => Boolean, {
    description: 'Whether it gets all traffic without steps, as its version served here a short time ago.',
  })
  skipsSteps!: boolean;

  @Field(() => String, { description: 'Subject of the token that started it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time of the start, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'Time of the last change, UTC.' })
  updatedAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'Time of the end, UTC; null before that.' })
  endedAt?: Date | null;

  /** The API shows these ids as objects. */
  endpointId!: string;
  modelVersionId!: string;
  stableVersionId!: string;
  stableDeploymentId!: string;
  canaryDeploymentId!: string;
  controlDeploymentId!: string;
}

export const CanaryConnection = connectionOf(CanaryType, 'Canary', 'canaries');

@InputType({ description: 'A share of the traffic, and how long it is watched.' })
export class CanaryStepInput {
  @Range(CANARY_RANGES.weightBps)
  @Field(() => Int, {
    description:
      'Fraction of the requests that the canary gets; more than in the step before. The control gets as many, or ' +
      'the rest above half.',
  })
  weightBps!: number;

  @Range(CANARY_RANGES.bakeSeconds)
  @Field(() => Int, {
    description: 'Time after which the guards decide: PASS goes on, INCONCLUSIVE pauses. FAIL does not wait for it.',
  })
  bakeSeconds!: number;

  @Field(() => CanaryApproval, { nullable: true, description: 'Who must agree before what follows; NONE when absent.' })
  approval?: keyof typeof CanaryApproval | null;
}

@InputType({ description: 'A metric of the canary that may not be worse than that of the control.' })
export class CanaryGuardInput {
  @Field(() => CanaryGuardKind, { description: 'The metric; each at most once.' })
  kind!: keyof typeof CanaryGuardKind;

  @Range(CANARY_RANGES.maxIncrease)
  @Field(() => Float, {
    nullable: true,
    description:
      'How much worse it may be: the difference of the shares, 0.01 (one percentage point) when absent; for ' +
      'LATENCY_P95 a fraction of the control’s, 0.5 (half as long again) when absent.',
  })
  maxIncrease?: number | null;
}

@InputType({ description: 'A new version, the steps in which it gets the traffic, and what it may not do worse.' })
export class StartCanaryInput {
  @Field(() => ID, {
    description:
      'The endpoint. NOT_FOUND when it does not exist; CONFLICT when it follows a stage or an alias, has a canary or ' +
      'a test already, or when no single version has all its traffic.',
  })
  endpointId!: string;

  @Field(() => ID, {
    description:
      'A READY version of the endpoint’s model that takes and answers what the present one does. NOT_FOUND when it ' +
      'does not exist, BAD_USER_INPUT for another model or signature, CONFLICT when it is live here already. A ' +
      'shadow of it is stopped.',
  })
  modelVersionId!: string;

  @Range(CANARY_RANGES.steps)
  @Field(() => [CanaryStepInput], { description: 'Steps with growing weights; after the last one it is promoted.' })
  steps!: CanaryStepInput[];

  @Range(CANARY_RANGES.guards)
  @Field(() => [CanaryGuardInput], { description: 'What the canary may not do worse than its control.' })
  guards!: CanaryGuardInput[];

  @Range(CANARY_RANGES.errorProbability)
  @Field(() => Float, {
    nullable: true,
    description: 'Probability that a canary as good as its control is rolled back; 0.05 when absent.',
  })
  errorProbability?: number | null;

  @Range(CANARY_RANGES.minRequests)
  @Field(() => SafeInt, {
    nullable: true,
    description: 'Requests, or rows with a true class, per variant before which nothing is decided; 100 when absent.',
  })
  minRequests?: number | null;

  @Range(CANARY_RANGES.limit)
  @Field(() => Int, {
    nullable: true,
    description: 'Looks in a row (about one a second) with FAIL at which it is rolled back; 1 when absent.',
  })
  failureLimit?: number | null;

  @Range(CANARY_RANGES.limit)
  @Field(() => Int, {
    nullable: true,
    description:
      'Looks in a row at which the counters cannot be read, which says nothing about the version, until it is ' +
      'paused; 5 when absent.',
  })
  sourceErrorLimit?: number | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'The webhook that approves steps with WEBHOOK; absent without such steps. NOT_FOUND when it does not exist.',
  })
  approvalWebhookId?: string | null;

  @Range(CANARY_RANGES.rollbackWindowSeconds)
  @Field(() => Int, {
    nullable: true,
    description:
      'A version that a canary replaced here within this time gets all traffic without steps; one day when absent, ' +
      'never with 0.',
  })
  rollbackWindowSeconds?: number | null;
}

@InputType({ description: 'Which traffic stays at its step until somebody decides.' })
export class PauseCanaryInput {
  @Field(() => ID, { description: 'The canary. NOT_FOUND when it does not exist, CONFLICT unless it is running.' })
  id!: string;
}

@InputType({ description: 'Which step begins again after a pause.' })
export class ResumeCanaryInput {
  @Field(() => ID, { description: 'The canary. NOT_FOUND when it does not exist, CONFLICT unless it is paused.' })
  id!: string;
}

@InputType({ description: 'Canary whose step is approved.' })
export class ApproveCanaryInput {
  @Field(() => ID, {
    description: 'The canary. NOT_FOUND when it does not exist, CONFLICT unless it waits for an approval.',
  })
  id!: string;
}

@InputType({ description: 'Which new version gives its traffic back to the old one.' })
export class AbortCanaryInput {
  @Field(() => ID, { description: 'The canary. NOT_FOUND when it does not exist, CONFLICT when it has ended.' })
  id!: string;
}

@InputType({ description: 'Canary to promote at once.' })
export class PromoteCanaryInput {
  @Field(() => ID, {
    description: 'The canary. NOT_FOUND when it does not exist, CONFLICT when it has ended or is not loaded yet.',
  })
  id!: string;
}

@InputType({ description: 'Filter for canaries; all given fields must match.' })
export class CanaryFilterInput {
  @Field(() => ID, { nullable: true, description: 'Canaries at this endpoint. NOT_FOUND when it does not exist.' })
  endpointId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Canaries of this version. NOT_FOUND when it does not exist.' })
  modelVersionId?: string | null;

  @Field(() => [CanaryStatus], { nullable: true, description: 'Canaries in one of these statuses.' })
  status?: (keyof typeof CanaryStatus)[] | null;
}

@InputType({
  description: 'Sort order of a list of canaries: field and direction. Items with equal values are sorted by id.',
})
export class CanaryOrderInput {
  @Field(() => CanaryOrderField, { description: 'Field whose values determine the order.' })
  field!: CanaryOrderBy;

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

@ObjectType({ description: 'The canary after the mutation.' })
export class CanaryPayload {
  @Field(() => CanaryType, { description: 'The canary after this change, as a query would show it now.' })
  canary!: CanaryType;
}
