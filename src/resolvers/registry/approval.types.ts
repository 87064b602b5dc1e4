import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { DateTime } from '../types/scalars.js';
import { PromotionStageEnum } from './stage.types.js';

export const ApprovalDecisionEnum = describeEnum(
  'ApprovalDecision',
  'What somebody said about a version’s next stage.',
  {
    APPROVED: 'It may go there.',
    REJECTED: 'It shall not: promotions are refused until the same person approves or an ADMIN overrides.',
  },
);

@ObjectType('Approval', {
  description: 'What somebody decided about a version’s way to a stage; the newest word of each person counts.',
})
export class ApprovalType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => PromotionStageEnum, { description: 'The stage that was decided about.' })
  toStage!: keyof typeof PromotionStageEnum;

  @Field(() => ApprovalDecisionEnum, { description: 'Yes or no.' })
  decision!: keyof typeof ApprovalDecisionEnum;

  @Field(() => String, { description: 'Reason that was given; may be empty for an approval.' })
  reason!: string;

  @Field(() => String, { description: 'Subject of the token that decided.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When, UTC.' })
  createdAt!: Date;
}

@ObjectType('ApprovalState', {
  description:
    'Where a version stands with those who decide about its next stage. Words count from its arrival in its ' +
    'present stage on.',
})
export class ApprovalStateType {
  @Field(() => PromotionStageEnum, { description: 'The next stage, which they decide about.' })
  toStage!: keyof typeof PromotionStageEnum;

  @Field(() => Int, { description: 'Approvals that the model’s gate policy asks for, 0 to 20.' })
  needed!: number;

  @Field(() => [String], { description: 'Subjects whose approval counts now, in code point order.' })
  approvedBy!: string[];

  @Field(() => [String], { description: 'Subjects whose rejection keeps the version back now, in code point order.' })
  rejectedBy!: string[];

  @Field(() => Int, { description: 'Approvals still to come; 0 when there are enough.' })
  missing!: number;
}

@InputType({ description: 'A yes to a version’s next stage.' })
export class ApproveModelVersionInput {
  @Field(() => ID, {
    description:
      'The version. NOT_FOUND when there is none; FORBIDDEN for one that the same person registered, unless ' +
      'the model’s gate policy allows it.',
  })
  modelVersionId!: string;

  @Field(() => PromotionStageEnum, { description: 'Its next stage. CONFLICT for any other.' })
  toStage!: keyof typeof PromotionStageEnum;

  @Field(() => String, { nullable: true, description: 'Why, for those who look later; at most 2,000 characters.' })
  reason?: string | null;
}

@InputType({ description: 'A no to a version’s next stage.' })
export class RejectModelVersionInput {
  @Field(() => ID, {
    description: 'The version, also one that the same person registered. NOT_FOUND when there is none.',
  })
  modelVersionId!: string;

  @Field(() => PromotionStageEnum, { description: 'Its next stage. CONFLICT for any other.' })
  toStage!: keyof typeof PromotionStageEnum;

  @Field(() => String, { description: 'Why, so that somebody can mend it: 1 to 2,000 characters, not blank.' })
  reason!: string;
}
