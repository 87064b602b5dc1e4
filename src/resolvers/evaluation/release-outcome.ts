import { Field, ID, ObjectType } from 'type-graphql';
import { RELEASE } from '../../modules/evaluation/index.js';
import { defineOutcome } from '../jobs/job-outcome.js';
import { StageEnum, type StageName } from '../registry/model.types.js';
import { describeEnum } from '../types/common.types.js';

export const HurdleEnum = describeEnum('Hurdle', 'A requirement that a version can fail for its next stage.', {
  EVALUATION: 'The gate EVALUATION: metrics on rows that were not used for training.',
  VALIDATION: 'The gate VALIDATION: signature, sample predictions, holdout metrics and latency.',
  SHADOW: 'The gate SHADOW: comparison with the version in PRODUCTION on its traffic.',
  APPROVALS: 'Approvals are missing, or a person has rejected the version.',
});

@ObjectType({ description: 'A requirement that keeps a version from its next stage.' })
export class MissingStep {
  @Field(() => HurdleEnum, { description: 'The gate, or the approvals.' })
  gate!: keyof typeof HurdleEnum;

  @Field(() => String, { description: 'What is wrong, as text that follows the name of the gate.' })
  problem!: string;

  @Field(() => String, { description: 'Call that helps to meet the requirement.' })
  next!: string;
}

@ObjectType({ description: 'How far a RELEASE has brought its version.' })
export class ReleaseOutcome {
  @Field(() => StageEnum, { description: 'Where the version stood when the release ended.' })
  stage!: StageName;

  @Field(() => StageEnum, { description: 'Where it was to go.' })
  targetStage!: StageName;

  @Field(() => Boolean, { description: 'Whether it is there, or past it.' })
  reached!: boolean;

  @Field(() => MissingStep, {
    nullable: true,
    description: 'The first gate that it has not passed; null when it is where it was to go.',
  })
  firstMissing!: MissingStep | null;

  @Field(() => ID, {
    nullable: true,
    description: 'The evaluation that this release had done; null when none was needed.',
  })
  evaluationJobId!: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'The validation that this release had done; null when none was needed.',
  })
  validationJobId!: string | null;
}

export const releaseOutcome = defineOutcome({
  kind: RELEASE,
  result: RELEASE.result,
  type: ReleaseOutcome,
  show: ({ evaluationJobId = null, validationJobId = null, ...rest }) => ({
    ...rest,
    evaluationJobId,
    validationJobId,
  }),
});
