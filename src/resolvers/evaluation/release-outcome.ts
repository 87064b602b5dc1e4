import { Field, ID, ObjectType } from 'type-graphql';
import { RELEASE } from '../../modules/evaluation/index.js';
import { defineOutcome } from '../jobs/job-outcome.js';
import { StageEnum, type StageName } from '../registry/model.types.js';
import { describeEnum } from '../types/common.types.js';

export const HurdleEnum = describeEnum(
  'Hurdle',
  'What can block the promotion to the next stage: a gate, or the approvals.',
  {
    EVALUATION: 'The gate EVALUATION: metrics on rows that were not used for training.',
    VALIDATION:
      'The gate VALIDATION: signature, sample predictions, holdout metrics, latency, and whether ' +
      'the trainer and the inference engine give the same outputs.',
    SHADOW: 'The gate SHADOW: comparison with the version in PRODUCTION on its traffic.',
    AB_TEST: 'The gate AB_TEST: a won A/B test against the version in PRODUCTION.',
    APPROVALS: 'Approvals are missing, or a person has rejected the version.',
  },
);

@ObjectType({ description: 'A requirement that keeps a version from its next stage.' })
export class MissingStep {
  @Field(() => HurdleEnum, { description: 'The gate that has not passed, or the missing approvals.' })
  gate!: keyof typeof HurdleEnum;

  @Field(() => String, { description: 'What is wrong; written to be read after the name of the gate.' })
  problem!: string;

  @Field(() => String, { description: 'Call that helps to meet the requirement.' })
  next!: string;
}

@ObjectType({ description: 'Outcome of a RELEASE job: the stage that the version has reached.' })
export class ReleaseOutcome {
  @Field(() => StageEnum, { description: 'Stage of the version at the end of the release.' })
  stage!: StageName;

  @Field(() => StageEnum, { description: 'Stage that the version should reach.' })
  targetStage!: StageName;

  @Field(() => Boolean, { description: 'Whether the version is at or beyond the target stage.' })
  reached!: boolean;

  @Field(() => MissingStep, {
    nullable: true,
    description: 'First requirement that the version did not meet; null when it has reached the target stage.',
  })
  firstMissing!: MissingStep | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Evaluation job that this release started; null when none was needed.',
  })
  evaluationJobId!: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Validation job that this release started; null when none was needed.',
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
