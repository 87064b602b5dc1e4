import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { ANY_TEXT, entriesOf } from '../../modules/core/index.js';
import { ESTIMATORS, LEARNING_RATE, MAX_SAMPLES, MEMBERS, type Method, WEIGHT } from '../../modules/ensembles/index.js';
import { EvaluationTargetInput, MetricEstimateType, VerdictEnum } from '../evaluation/evaluation.types.js';
import { ModelVersionType } from '../registry/model-version.types.js';
import { describeEnum, KeyValueInput } from '../types/common.types.js';
import { Range, RangeOfModule } from '../types/range.js';
import { DateTime, SafeInt } from '../types/scalars.js';

export const EnsembleMethodEnum = describeEnum<Method>(
  'EnsembleMethod',
  'How the answers of members become one answer.',
  {
    SOFT_VOTING: 'The weighted mean of the probabilities; for a regression, of the values.',
    HARD_VOTING:
      'The class with the most votes, counted by weight; the lower class of equal ones. Not for a regression.',
    BLENDING:
      'A linear model of the answers (logistic regression, or ridge regression), learnt on half of the rows that no ' +
      'member has learnt from.',
    STACKING:
      'The linear model of BLENDING, learnt on the rows that the members were trained on: for each fold of them, every ' +
      'member is trained again on the other folds, and answers this one. The members must be trained here, in processes ' +
      'of this service, on the same dataset.',
    BAGGING:
      'The mean of models that are trained from the configuration of one member, each on a bootstrap sample of its ' +
      'training rows (Breiman 1996), with the score out of bag.',
    BOOSTING:
      'Models that are trained from the configuration of one member, one after the other: classifiers by SAMME (Zhu et ' +
      'al. 2009), whose votes count by how often they are right; regressions by gradient boosting of the squared loss ' +
      '(Friedman 2001). A classifier by SAMME gives shares of votes, which are no probabilities.',
  },
);

@InputType({ description: 'A version that becomes a member of an ensemble.' })
export class EnsembleMemberInput {
  @Field(() => ID, {
    description:
      'A READY version with a model.onnx, of any framework. NOT_FOUND when it does not exist, CONFLICT when it is ' +
      'ARCHIVED, BAD_USER_INPUT when its inputs, classes or their order differ from those of the members before it, or ' +
      'when it is or contains an ensemble of the same model.',
  })
  modelVersionId!: string;

  @Range(WEIGHT)
  @Field(() => Float, {
    nullable: true,
    description:
      'Its weight in the vote: for every member or for none, with the sum 1. When absent, all count the same.',
  })
  weight?: number | null;
}

@InputType({ description: 'How BAGGING and BOOSTING train models from the configuration of one member.' })
export class EnsembleGrowthInput {
  @Range(ESTIMATORS)
  @Field(() => Int, {
    nullable: true,
    description:
      'Models to train; 10 for BAGGING and 50 for BOOSTING when absent. SAMME may stop earlier and says why.',
  })
  estimators?: number | null;

  @Range(MAX_SAMPLES)
  @Field(() => Float, {
    nullable: true,
    description: 'BAGGING: rows that each model draws, as a share of the training rows; 1 when absent.',
  })
  maxSamples?: number | null;

  @Range(LEARNING_RATE)
  @Field(() => Float, {
    nullable: true,
    description: 'BOOSTING: factor of what each model adds; 1 for classes and 0.1 for values when absent.',
  })
  learningRate?: number | null;
}

@InputType({ description: 'Members, how to combine them, and rows on which to compare and measure.' })
export class CreateEnsembleInput {
  @Field(() => ID, {
    description:
      'The model of which the ensemble becomes a version. NOT_FOUND when it does not exist, CONFLICT when it is for ' +
      'another task.',
  })
  modelId!: string;

  @Field(() => EnsembleMethodEnum, { description: 'How the answers of the members become one.' })
  method!: Method;

  @Range(MEMBERS)
  @Field(() => [EnsembleMemberInput], {
    description: 'The members, each version once: two or more; one for BAGGING and BOOSTING, trained by this service.',
  })
  members!: EnsembleMemberInput[];

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Learns the weights of a vote on half of the rows that no member has learnt from, and measures on the other ' +
      'half; false when absent.',
  })
  learnWeights?: boolean | null;

  @Field(() => EnsembleGrowthInput, {
    nullable: true,
    description: 'For BAGGING and BOOSTING; BAD_USER_INPUT with other methods.',
  })
  growth?: EnsembleGrowthInput | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'Dataset with the rows; of the dataset of a training, its holdout. When absent, the dataset of the members’ ' +
      'trainings. Something can be learnt only from rows that no member has learnt from: BAD_USER_INPUT says why these ' +
      'may not be such rows.',
  })
  datasetId?: string | null;

  @Field(() => EvaluationTargetInput, {
    nullable: true,
    description: 'Target, when no member was trained here. BAD_USER_INPUT otherwise: a training defines the target.',
  })
  target?: EvaluationTargetInput | null;

  @Field(() => String, { nullable: true, description: 'Description of the version, as Markdown.' })
  description?: string | null;

  @RangeOfModule(entriesOf(ANY_TEXT))
  @Field(() => [KeyValueInput], { nullable: true, description: 'Tags of the version.' })
  tags?: KeyValueInput[] | null;
}

@ObjectType('EnsembleMember', { description: 'A member of an ensemble, and what it adds.' })
export class EnsembleMemberType {
  @Field(() => String, { description: 'Name of the model and number of the version, when the ensemble was made.' })
  name!: string;

  @Field(() => ModelVersionType, {
    nullable: true,
    description: 'The version; null after its deletion, of which the ensemble does not depend.',
  })
  modelVersion!: ModelVersionType | null;

  @Field(() => Float, { nullable: true, description: 'Its weight in the vote, 0 to 1; null for a meta-learner.' })
  weight!: number | null;

  @Field(() => [MetricEstimateType], {
    description: 'Its metrics on the rows on which the ensemble was measured; empty when nothing was measured.',
  })
  metrics!: MetricEstimateType[];

  @Field(() => Float, {
    nullable: true,
    description:
      'How much the loss of the ensemble rises without this member, in the metric of `againstBest`; above 0 the member ' +
      'helps. Null when nothing was measured.',
  })
  contribution!: number | null;
}

@ObjectType('EnsembleMemberPair', {
  description: 'How much two members differ: members with the same errors are worth one.',
})
export class MemberPairType {
  @Field(() => String, { description: 'Name of one member.' })
  first!: string;

  @Field(() => String, { description: 'Name of the other member.' })
  second!: string;

  @Field(() => Float, {
    nullable: true,
    description: 'Share of the rows for which they say different classes, 0 to 1; null for a regression.',
  })
  disagreement!: number | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'Yule’s Q of being right, -1 to 1: 1 when they are right on the same rows, 0 when independent. Null for a ' +
      'regression, and when undefined.',
  })
  qStatistic!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Correlation of being wrong, or of the residuals, -1 to 1; null when undefined.',
  })
  errorCorrelation!: number | null;
}

@ObjectType('EnsembleComparison', {
  description: 'The ensemble compared with the member that has the least loss, on the same rows.',
})
export class EnsembleComparisonType {
  @Field(() => String, { description: 'The single version with the lowest loss, as model/number.' })
  member!: string;

  @Field(() => String, {
    description:
      'The loss: `log_loss` (nats), `rmse` (units of the target), or `error_rate` (share of wrong labels) for hard votes.',
  })
  metric!: string;

  @Field(() => Float, { description: 'Loss of all members together, on rows that none has learnt from.' })
  ensemble!: number;

  @Field(() => Float, { description: 'Loss of the member.' })
  best!: number;

  @Field(() => Float, { description: 'Loss of the ensemble minus loss of the member; below 0 the ensemble is better.' })
  difference!: number;

  @Field(() => Float, { description: 'Lower bound of the 95 % bootstrap interval of the difference.' })
  low!: number;

  @Field(() => Float, { description: 'Upper bound of the 95 % bootstrap interval of the difference.' })
  high!: number;

  @Field(() => VerdictEnum, { description: 'Conclusion from the interval.' })
  verdict!: keyof typeof VerdictEnum;
}

const GrowthStop = describeEnum('EnsembleGrowthStop', 'Why BOOSTING has made fewer models than asked for.', {
  PERFECT: 'Nothing was left to learn: all training rows were answered right, or exactly.',
  NO_BETTER_THAN_CHANCE: 'The next model was no better than chance on the weighted rows, and was left out.',
});

@ObjectType('EnsembleOutOfBag', {
  description: 'BAGGING measured without a holdout: each training row answered by the models that have not drawn it.',
})
export class OutOfBagType {
  @Field(() => SafeInt, { description: 'Training rows that at least one model has not drawn.' })
  rows!: number;

  @Field(() => [MetricEstimateType], { description: 'Metrics on those rows, with 95 % bootstrap intervals.' })
  metrics!: MetricEstimateType[];
}

@ObjectType('EnsembleGrowth', { description: 'The models that BAGGING or BOOSTING has trained.' })
export class EnsembleGrowthType {
  @Field(() => [Float], {
    description:
      'Weight of each model, in the order of training: its share of the votes or of the mean; for a regression by ' +
      'BOOSTING, the factor of what it adds.',
  })
  weights!: number[];

  @Field(() => GrowthStop, { nullable: true, description: 'Why it ended early; null when all models were made.' })
  stopped!: keyof typeof GrowthStop | null;

  @Field(() => OutOfBagType, { nullable: true, description: 'The score out of bag; null for BOOSTING.' })
  outOfBag!: OutOfBagType | null;
}

@ObjectType('Ensemble', { description: 'How a version combines other versions, and what was found when it was made.' })
export class EnsembleType {
  @Field(() => ID, { description: 'Id of the job that made it.' })
  id!: string;

  @Field(() => EnsembleMethodEnum, { description: 'How the answers of the members become one.' })
  method!: Method;

  @Field(() => SafeInt, {
    description: 'Rows on which weights or a meta-learner were learnt; 0 when nothing was learnt.',
  })
  learntRows!: number;

  @Field(() => SafeInt, {
    description:
      'Other rows, from which no member has learnt, on which everything was measured; 0 when a member may have learnt ' +
      'from all rows.',
  })
  measuredRows!: number;

  @Field(() => SafeInt, {
    description: 'Rows on which the compiled model gave the combined answers of its members, to 0.00001.',
  })
  comparedRows!: number;

  @Field(() => [MetricEstimateType], { description: 'Metrics of the ensemble; empty when nothing was measured.' })
  metrics!: MetricEstimateType[];

  @Field(() => [EnsembleMemberType], { description: 'The members, in the order of the request.' })
  members!: EnsembleMemberType[];

  @Field(() => EnsembleGrowthType, {
    nullable: true,
    description: 'The models of BAGGING or BOOSTING, whose only member gave its configuration; null for other methods.',
  })
  growth!: EnsembleGrowthType | null;

  @Field(() => [MemberPairType], { description: 'Diversity of every two members; empty when nothing was measured.' })
  diversity!: MemberPairType[];

  @Field(() => EnsembleComparisonType, {
    nullable: true,
    description: 'Comparison with the best member; null when nothing was measured.',
  })
  againstBest!: EnsembleComparisonType | null;

  @Field(() => String, { description: 'Subject of the token that requested it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time of creation, UTC.' })
  createdAt!: Date;
}
