import { Field, ID, InputType, Int } from 'type-graphql';
import { EvaluationTargetInput } from './evaluation.types.js';
import { PromotionStageEnum } from '../registry/stage.types.js';
import { Range } from '../types/range.js';
import { MAX_WAIT_MS } from '../../modules/platform/index.js';

@InputType({ description: 'Which version goes where, judged by which rows.' })
export class ReleaseModelVersionInput {
  @Field(() => ID, { description: 'The version, which must be READY and not ARCHIVED. NOT_FOUND when there is none.' })
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
    description: 'For uploaded versions: what they predict. BAD_USER_INPUT for others, whose training tells it.',
  })
  target?: EvaluationTargetInput | null;

  @Field(() => PromotionStageEnum, {
    description: 'Where to. A version that is there already, or past it, stays where it is.',
  })
  targetStage!: keyof typeof PromotionStageEnum;

  @Field(() => ID, {
    nullable: true,
    description:
      'To PRODUCTION: id of the version that is there now, which will be archived; null or absent for none. ' +
      'CONFLICT when it is another, now or when its turn comes.',
  })
  expectedProductionVersionId?: string | null;

  @Range({ min: 0, max: MAX_WAIT_MS, unit: 'milliseconds' })
  @Field(() => Int, {
    nullable: true,
    description: 'Maximum time to wait for the end of the release; without it the call returns at once.',
  })
  waitMs?: number | null;
}
