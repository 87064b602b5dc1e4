import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { ModelVersionType } from './model-version.types.js';

export const PromotionStageEnum = describeEnum('PromotionStage', 'Where a promotion leads.', {
  STAGING: 'From DEVELOPMENT; needs the gate VALIDATION, unless the model’s gate policy asks otherwise.',
  PRODUCTION:
    'From STAGING; needs the gate SHADOW, or EVALUATION while the model has no version in production, unless ' +
    'the model’s gate policy asks otherwise.',
});

@InputType({ description: 'A step towards production.' })
export class PromoteModelVersionInput {
  @Field(() => ID, { description: 'The version, which must be READY. NOT_FOUND when it does not exist.' })
  modelVersionId!: string;

  @Field(() => PromotionStageEnum, { description: 'Where to. CONFLICT when it is not the next stage.' })
  toStage!: keyof typeof PromotionStageEnum;

  @Field(() => ID, {
    nullable: true,
    description:
      'To PRODUCTION: id of the version that is there now, which will be archived; null or absent for none. ' +
      'CONFLICT when it is another by now.',
  })
  expectedProductionVersionId?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Why, for the history; at most 2,000 characters are kept. With `override` at least 10.',
  })
  reason?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'True passes gates without their evidence: role ADMIN alone (FORBIDDEN), with a reason, audited.',
  })
  override?: boolean | null;
}

@InputType({ description: 'Version to move back to DEVELOPMENT or to archive.' })
export class DemoteModelVersionInput {
  @Field(() => ID, {
    description:
      'The version. NOT_FOUND when it does not exist; CONFLICT when this change is not possible from its stage.',
  })
  modelVersionId!: string;

  @Field(() => String, { nullable: true, description: 'Reason, for the history; at most 2,000 characters are kept.' })
  reason?: string | null;
}

@InputType({ description: 'A return to the version that was in production before.' })
export class RollbackModelInput {
  @Field(() => ID, {
    description: 'The model. NOT_FOUND when there is none; CONFLICT without a version in production, or one before it.',
  })
  modelId!: string;

  @Field(() => ID, {
    nullable: true,
    description:
      'Id of the version that is in production now. CONFLICT when it is another by now; not checked when absent.',
  })
  expectedProductionVersionId?: string | null;

  @Field(() => String, { nullable: true, description: 'Reason, for the history; at most 2,000 characters are kept.' })
  reason?: string | null;
}

@ObjectType({ description: 'Both versions after the rollback.' })
export class RollbackPayload {
  @Field(() => ModelVersionType, { description: 'The version that is back in PRODUCTION.' })
  restored!: ModelVersionType;

  @Field(() => ModelVersionType, { description: 'The version that went to DEVELOPMENT.' })
  replaced!: ModelVersionType;
}
