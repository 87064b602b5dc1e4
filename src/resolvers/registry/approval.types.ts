import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { DateTime } from '../types/scalars.js';
import { PromotionStageEnum } from './stage.types.js';
import { Range } from '../types/range.js';
import { REASON, REJECTION } from '../../modules/registry/index.js';

export const ApprovalDecisionEnum = describeEnum(
  'ApprovalDecision',
  'Kind of decision about the next stage of a version.',
  {
    APPROVED: 'The version may move to the stage.',
    REJECTED:
      'The version must not move to the stage. Promotions are refused until the same person ' +
      'approves or an ADMIN overrides.',
  },
);

@ObjectType('Approval', {
  description:
    'Decision of a person about the next stage of a version. Only the newest decision of each person counts.',
})
export class ApprovalType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => PromotionStageEnum, { description: 'Stage that the decision is about.' })
  toStage!: keyof typeof PromotionStageEnum;

  @Field(() => ApprovalDecisionEnum, { description: 'Approved or rejected.' })
  decision!: keyof typeof ApprovalDecisionEnum;

  @Field(() => String, { description: 'Reason that the person gave; may be empty for an approval.' })
  reason!: string;

  @Field(() => String, { description: 'Subject of the token that made the decision.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time, UTC.' })
  createdAt!: Date;
}

@ObjectType('ApprovalState', {
  description:
    'State of the approvals for the next stage of a version. Decisions count only when they were ' +
    'made after the version entered its current stage.',
})
export class ApprovalStateType {
  @Field(() => PromotionStageEnum, { description: 'Next stage, which the approvals are about.' })
  toStage!: keyof typeof PromotionStageEnum;

  @Field(() => Int, { description: 'Number of approvals that the gate policy of the model requires, 0 to 20.' })
  needed!: number;

  @Field(() => [String], { description: 'Subjects whose approval currently counts, in code point order.' })
  approvedBy!: string[];

  @Field(() => [String], { description: 'Subjects whose rejection currently blocks the version, in code point order.' })
  rejectedBy!: string[];

  @Field(() => Int, { description: 'Number of approvals that are still missing; 0 when there are enough.' })
  missing!: number;
}

@InputType({ description: 'Approval of the next stage of a version.' })
export class ApproveModelVersionInput {
  @Field(() => ID, {
    description:
      'The version. NOT_FOUND when it does not exist; FORBIDDEN when the same person registered it, ' +
      'unless the gate policy of the model allows that.',
  })
  modelVersionId!: string;

  @Field(() => PromotionStageEnum, { description: 'The next stage of the version. CONFLICT for any other stage.' })
  toStage!: keyof typeof PromotionStageEnum;

  @Range(REASON)
  @Field(() => String, { nullable: true, description: 'Reason, for later readers.' })
  reason?: string | null;
}

@InputType({ description: 'Rejection of the next stage of a version.' })
export class RejectModelVersionInput {
  @Field(() => ID, {
    description: 'The version; the person who registered it may reject it too. NOT_FOUND when it does not exist.',
  })
  modelVersionId!: string;

  @Field(() => PromotionStageEnum, { description: 'The next stage of the version. CONFLICT for any other stage.' })
  toStage!: keyof typeof PromotionStageEnum;

  @Range(REJECTION)
  @Field(() => String, {
    description: 'Reason, so that somebody can solve the problem.',
  })
  reason!: string;
}
