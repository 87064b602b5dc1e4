import { Field, InputType, Int, ObjectType } from 'type-graphql';
import {
  type CrossValidationBy,
  type CrossValidationResult,
  FOLDS,
  summarizeFolds,
} from '../../modules/algorithms/index.js';
import { finiteMetrics } from '../jobs/job-outcome.js';
import { NamedMetric } from '../registry/model-version.types.js';
import { describeEnum } from '../types/common.types.js';
import { RangeOfModule } from '../types/range.js';
import { MetricValue, SafeInt } from '../types/scalars.js';

export const CrossValidationByEnum = describeEnum<CrossValidationBy>(
  'CrossValidationBy',
  'How the rows outside the holdout are divided into the folds of a cross-validation.',
  {
    K_FOLD: 'At random, with the seed; the sizes of the folds differ by one row at most.',
    STRATIFIED:
      'At random, with the seed, class by class: each class is spread evenly over the folds. Classification only.',
    GROUPED: 'By groups: rows with the same value in `column` are in the same fold.',
    TIME:
      'By time: the rows are sorted and cut into one part more than folds; each fold is one part, and its model ' +
      'learns from all parts before it. The first part is only learnt from.',
  },
);

@InputType({
  description:
    'Cross-validation: besides the training itself, one model per fold is trained on the other ' +
    'rows and measured on the fold. Only rows outside the holdout take part.',
})
export class CrossValidationInput {
  @Field(() => CrossValidationByEnum, { description: 'How the rows are divided.' })
  by!: CrossValidationBy;

  @RangeOfModule(FOLDS)
  @Field(() => Int, {
    nullable: true,
    description:
      'Number of folds; 5 when absent. At most the number of rows, of groups (GROUPED), or of rows of ' +
      'the smallest class (STRATIFIED) outside the holdout.',
  })
  folds?: number | null;

  @Field(() => String, {
    nullable: true,
    description:
      'With GROUPED, where it is required: the column of the groups, which can be neither the target ' +
      'nor a feature. With TIME: a TIMESTAMP column; when absent, that of a split by TIME. Rows ' +
      'without a value there are in no fold. Not allowed otherwise.',
  })
  column?: string | null;
}

@ObjectType({ description: 'Rows and metrics of one part of the rows, whose model has learnt from others.' })
export class CrossValidationFold {
  @Field(() => Int, { description: 'Number of the fold, from 1.' })
  fold!: number;

  @Field(() => SafeInt, { description: 'Number of rows from which the model of this fold has learnt.' })
  trainRows!: number;

  @Field(() => SafeInt, {
    description:
      'Number of rows that watched the learning, for early stopping or the decision threshold; 0 without both.',
  })
  watchedRows!: number;

  @Field(() => SafeInt, { description: 'Number of rows on which the model was measured.' })
  validationRows!: number;

  @Field(() => [NamedMetric], { description: 'Metrics of these rows, e.g. `log_loss`; undefined ones are left out.' })
  metrics!: NamedMetric[];
}

@ObjectType({ description: 'A metric over the folds that have it.' })
export class CrossValidationMetric {
  @Field(() => String, { description: 'Name of the metric, e.g. `log_loss`.' })
  name!: string;

  @Field(() => MetricValue, { description: 'Mean of the folds, each with the same weight.' })
  mean!: number;

  @Field(() => MetricValue, {
    description: 'Standard deviation of the folds, as in scikit-learn: divided by their number.',
  })
  std!: number;
}

@ObjectType({ description: 'What was measured before a training: every fold, and each metric over all of them.' })
export class CrossValidationOutcome {
  @Field(() => CrossValidationByEnum, { description: 'How the rows were divided.' })
  by!: CrossValidationBy;

  @Field(() => [CrossValidationFold], { description: 'All folds, in their order.' })
  folds!: CrossValidationFold[];

  @Field(() => [CrossValidationMetric], { description: 'Mean and standard deviation of each metric.' })
  metrics!: CrossValidationMetric[];

  @Field(() => SafeInt, { description: 'Number of rows outside the holdout without a group or a time: in no fold.' })
  rowsLeftOut!: number;
}

export function showCrossValidation({ by, folds, leftOut }: CrossValidationResult): CrossValidationOutcome {
  return {
    by,
    folds: folds.map(({ fold, rows, metrics }) => ({
      fold,
      trainRows: rows.train,
      watchedRows: rows.watched,
      validationRows: rows.validation,
      metrics: finiteMetrics(metrics),
    })),
    metrics: summarizeFolds(folds),
    rowsLeftOut: leftOut,
  };
}
