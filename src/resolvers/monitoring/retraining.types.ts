import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { DEFAULT_RETRAINING_POLICY, MAX_BUDGET, MAX_COOLDOWN_MS } from '../../modules/monitoring/index.js';
import { DateTime, SafeInt } from '../types/scalars.js';
import { AlertKindEnum } from '../alerts/alert.types.js';
import { Range } from '../types/range.js';
import { ANY_ITEMS } from '../../modules/core/index.js';

@ObjectType('RetrainingPolicy', {
  description:
    'Retraining policy: which alerts of a model start a training on new data, at most one per ' +
    'alert. The training has the configuration of the production version and uses the newest ' +
    'version of a dataset. It registers a new version, which must pass its gates.',
})
export class RetrainingPolicyType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, { description: 'Name of the dataset; a retraining uses its newest version.' })
  datasetName!: string;

  @Field(() => [AlertKindEnum], { description: 'Kinds of alerts that may start a retraining.' })
  alertKinds!: (keyof typeof AlertKindEnum)[];

  @Field(() => SafeInt, { description: 'Minimum time between the starts of two retrainings, in milliseconds.' })
  cooldownMs!: number;

  @Field(() => Int, { description: 'Maximum number of retrainings within 30 days, including failed ones.' })
  budgetPer30Days!: number;

  @Field(() => Boolean, { description: 'False: alerts start no retraining.' })
  enabled!: boolean;

  @Field(() => String, { description: 'Subject of the token that first set it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time of the last change, UTC.' })
  updatedAt!: Date;
}

@InputType({ description: 'New retraining policy of a model; it replaces the current one.' })
export class SetRetrainingPolicyInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when it does not exist.' })
  modelId!: string;

  @Field(() => String, {
    description:
      'Name of a registered dataset with the columns of the model’s training; a retraining uses its ' +
      'newest version. If the training had a time window with an end, the retraining has no end.',
  })
  datasetName!: string;

  @Range({ ...ANY_ITEMS, min: 1, unit: 'kinds' })
  @Field(() => [AlertKindEnum], {
    defaultValue: [...DEFAULT_RETRAINING_POLICY.alertKinds],
    description: 'Kinds of alerts that may start a retraining; DRIFT when absent.',
  })
  alertKinds!: (keyof typeof AlertKindEnum)[];

  @Range({ min: 0, max: MAX_COOLDOWN_MS, unit: 'milliseconds' })
  @Field(() => SafeInt, {
    defaultValue: DEFAULT_RETRAINING_POLICY.cooldownMs,
    description: 'Minimum time between the starts of two retrainings, up to 365 days; one day when absent.',
  })
  cooldownMs!: number;

  @Range({ min: 1, max: MAX_BUDGET, unit: 'retrainings' })
  @Field(() => Int, {
    defaultValue: DEFAULT_RETRAINING_POLICY.budgetPer30Days,
    description:
      'Maximum number of retrainings within 30 days, failed ones included; 4 when absent. To stop ' +
      'retraining, set `enabled` to false.',
  })
  budgetPer30Days!: number;

  @Field(() => Boolean, {
    defaultValue: true,
    description: 'False: the policy is kept but starts no retraining. True when absent.',
  })
  enabled!: boolean;
}

@ObjectType({ description: 'The policy after the mutation.' })
export class RetrainingPolicyPayload {
  @Field(() => RetrainingPolicyType, { description: 'The policy after this change, as a query would show it now.' })
  policy!: RetrainingPolicyType;
}

@InputType({ description: 'Model whose retraining policy to delete.' })
export class DeleteRetrainingPolicyInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when it does not exist or has no retraining policy.' })
  modelId!: string;
}

@ObjectType({ description: 'Result of the deletion.' })
export class DeleteRetrainingPolicyPayload {
  @Field(() => ID, { description: 'Model whose retraining policy was deleted.' })
  modelId!: string;
}
