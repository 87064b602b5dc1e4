import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { ModelVersionType } from './model-version.types.js';

export const PromotionStageEnum = describeEnum('PromotionStage', 'Stage to which a version can be promoted.', {
  STAGING: 'From DEVELOPMENT; requires the gate VALIDATION, unless the gate policy of the model says otherwise.',
  PRODUCTION:
    'From STAGING; requires the gate SHADOW, or EVALUATION while the model has no version in ' +
    'PRODUCTION, unless the gate policy of the model says otherwise.',
});

@InputType({ description: 'Promotion of a version to its next stage.' })
export class PromoteModelVersionInput {
  @Field(() => ID, { description: 'The version, which must be READY. NOT_FOUND when it does not exist.' })
  modelVersionId!: string;

  @Field(() => PromotionStageEnum, { description: 'Target stage. CONFLICT when it is not the next stage.' })
  toStage!: keyof typeof PromotionStageEnum;

  @Field(() => ID, {
    nullable: true,
    description:
      'For PRODUCTION: id of the version that is there now and will be archived; null or absent ' +
      'when there is none. CONFLICT when another version is there.',
  })
  expectedProductionVersionId?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Reason, for the history; it is cut off after 2,000 characters. At least 10 characters with `override`.',
  })
  reason?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'True: promote without the required gates and approvals. Only for ADMIN (FORBIDDEN ' +
      'otherwise); requires a reason, and is recorded in the audit log.',
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

@InputType({ description: 'Rollback to the previous production version.' })
export class RollbackModelInput {
  @Field(() => ID, {
    description:
      'The model. NOT_FOUND when it does not exist; CONFLICT when there is no version in ' +
      'PRODUCTION, or no previous one.',
  })
  modelId!: string;

  @Field(() => ID, {
    nullable: true,
    description:
      'Id of the version that is in PRODUCTION now. CONFLICT when another version is there; not ' +
      'checked when absent.',
  })
  expectedProductionVersionId?: string | null;

  @Field(() => String, { nullable: true, description: 'Reason, for the history; at most 2,000 characters are kept.' })
  reason?: string | null;
}

@ObjectType({ description: 'Both versions after the rollback.' })
export class RollbackPayload {
  @Field(() => ModelVersionType, { description: 'Version that is in PRODUCTION again.' })
  restored!: ModelVersionType;

  @Field(() => ModelVersionType, { description: 'Version that was moved to DEVELOPMENT.' })
  replaced!: ModelVersionType;
}
