import { Field, ID, InputType, Int } from 'type-graphql';
import { EvaluationTargetInput } from './evaluation.types.js';
import { PromotionStageEnum } from '../registry/stage.types.js';
import { Range } from '../types/range.js';
import { MAX_WAIT_MS } from '../../modules/platform/index.js';

@InputType({ description: 'Version to release, target stage, and rows for the evaluation.' })
export class ReleaseModelVersionInput {
  @Field(() => ID, {
    description: 'The version, which must be READY and not ARCHIVED. NOT_FOUND when it does not exist.',
  })
  modelVersionId!: string;

  @Field(() => ID, {
    nullable: true,
    description:
      'Dataset whose rows are all used for the evaluation; the holdout of the version’s training ' +
      'when absent. Required for uploaded versions.',
  })
  datasetId?: string | null;

  @Field(() => EvaluationTargetInput, {
    nullable: true,
    description:
      'Target, for uploaded versions only. BAD_USER_INPUT for other versions, whose training defines the target.',
  })
  target?: EvaluationTargetInput | null;

  @Field(() => PromotionStageEnum, {
    description: 'Target stage. A version that is already at or beyond this stage does not move.',
  })
  targetStage!: keyof typeof PromotionStageEnum;

  @Field(() => ID, {
    nullable: true,
    description:
      'For PRODUCTION: id of the version that is there now and will be archived; null or absent ' +
      'when there is none. CONFLICT when another version is there, now or at the time of the ' +
      'promotion.',
  })
  expectedProductionVersionId?: string | null;

  @Range({ min: 0, max: MAX_WAIT_MS, unit: 'milliseconds' })
  @Field(() => Int, {
    nullable: true,
    description: 'Maximum time to wait for the end of the release; without it the call returns at once.',
  })
  waitMs?: number | null;
}
