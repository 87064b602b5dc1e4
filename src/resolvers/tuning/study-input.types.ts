import { Field, Float, ID, InputType, Int } from 'type-graphql';
import {
  MAX_CHOICES,
  MAX_CONSTRAINTS,
  MAX_PARAMETERS,
  STUDY_RANGES,
  type PrunerKind,
  type SamplerKind,
} from '../../modules/tuning/index.js';
import { NAME } from '../../modules/core/index.js';
import { MetricDirection } from '../experiments/run-comparison.types.js';
import { WORKERS } from '../../modules/training/index.js';
import { TrainingBackendEnum } from '../training/algorithm.types.js';
import { TrainingConfigInput } from '../training/training-config.types.js';
import { describeEnum } from '../types/common.types.js';
import { Range } from '../types/range.js';
import { Json } from '../types/scalars.js';

export const SearchParameterKind = describeEnum('SearchParameterKind', 'What the values of a tuned parameter are.', {
  FLOAT: 'Numbers from `low` to `high`.',
  INTEGER: 'Whole numbers from `low` to `high`.',
  CATEGORICAL: 'One of the given values.',
});

export const SamplerEnum = describeEnum<SamplerKind>('Sampler', 'How the parameters of the next trial are chosen.', {
  AUTO:
    'GRID when the space has no more points than the budget has trials; SOBOL for fewer than 15 trials; otherwise ' +
    'TPE. The study says which one and why.',
  TPE: 'Multivariate tree-structured Parzen estimator: learns from the trials so far; ten random trials first.',
  SOBOL: 'Scrambled Sobol sequence: covers the space evenly.',
  RANDOM: 'Independent random points.',
  GRID: 'Every point of a grid, five per continuous parameter, in random order.',
});

export const PrunerEnum = describeEnum<PrunerKind>('Pruner', 'When a running trial is stopped early.', {
  NONE: 'Every trial runs to its end.',
  ASHA:
    'Asynchronous successive halving: at the steps minSteps, minSteps × reduction, … only the best 1/reduction of all ' +
    'trials that came there go on; with several objectives the first Pareto fronts.',
  HYPERBAND: 'Several halvings with different first steps; needs `maxSteps`.',
  MEDIAN:
    'When its best value so far is worse than the median of the complete trials at the same step; with several ' +
    'objectives, in each of them.',
  WILCOXON: 'For steps that are folds: when it is worse than the best trial by Wilcoxon’s signed-rank test.',
  PATIENCE: 'When it has not become better for `patience` steps, in any objective.',
  THRESHOLD: 'When its value is not a number, or beyond `lower` or `upper`.',
});

@InputType({ description: 'The parameter has a meaning only when another one has one of some values.' })
export class SearchConditionInput {
  @Field(() => String, { description: 'Name of the other parameter: an INTEGER or CATEGORICAL one.' })
  parameter!: string;

  @Range({ min: 1, max: MAX_CHOICES, unit: 'values' })
  @Field(() => [Json], { description: 'Its values: numbers, texts, true or false.' })
  oneOf!: unknown[];
}

@InputType({ description: 'A tuned parameter and its values.' })
export class SearchParameterInput {
  @Field(() => String, { description: 'Name; in a tuning, of a hyperparameter of the algorithm.' })
  name!: string;

  @Field(() => SearchParameterKind, { description: 'What its values are.' })
  kind!: keyof typeof SearchParameterKind;

  @Field(() => Float, { nullable: true, description: 'Smallest value; not for CATEGORICAL, required otherwise.' })
  low?: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Largest value, at least `low`; not for CATEGORICAL, required otherwise.',
  })
  high?: number | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether equal ratios count the same, and not equal differences; false when absent.',
  })
  log?: boolean | null;

  @Range({ above: 0 })
  @Field(() => Float, { nullable: true, description: 'Distance between neighbouring values; not with `log`.' })
  step?: number | null;

  @Range({ min: 1, max: MAX_CHOICES, unit: 'values' })
  @Field(() => [Json], {
    nullable: true,
    description:
      'Values of CATEGORICAL: numbers, texts, true or false. A list of whole numbers is written as a text, e.g. "64,32".',
  })
  choices?: unknown[] | null;

  @Field(() => SearchConditionInput, { nullable: true, description: 'When it has a meaning; always when absent.' })
  when?: SearchConditionInput | null;
}

@InputType({ description: 'Where a study searches.' })
export class SearchSpaceInput {
  @Range({ min: 1, max: MAX_PARAMETERS, unit: 'parameters' })
  @Field(() => [SearchParameterInput], { description: 'Parameters, each with its values.' })
  parameters!: SearchParameterInput[];

  @Range({ max: MAX_CONSTRAINTS, unit: 'constraints' })
  @Field(() => [String], {
    nullable: true,
    description:
      'Comparisons of arithmetic over parameters, e.g. `minLeafRows * maxLeaves <= 1000`; with `and`, `or`, `min`, ' +
      '`max`, parentheses. No trial begins that breaks one. BAD_USER_INPUT with the share when less than 1 % of the ' +
      'space fulfils all.',
  })
  constraints?: string[] | null;
}

@InputType({ description: 'What a study improves.' })
export class ObjectiveInput {
  @Range({ ...NAME, max: 200 })
  @Field(() => String, { description: 'Name of the metric, e.g. `validation.log_loss`.' })
  metric!: string;

  @Field(() => MetricDirection, { description: 'Which values are better.' })
  direction!: keyof typeof MetricDirection;
}

@InputType({ description: 'When running trials are stopped early; absent fields have the defaults of the pruner.' })
export class PrunerInput {
  @Field(() => PrunerEnum, { description: 'Rule by which a trial is stopped.' })
  kind!: PrunerKind;

  @Range({ ...NAME, max: 200 })
  @Field(() => String, {
    nullable: true,
    description:
      'For a tuning with one objective: the metric of each epoch that is compared. When absent: the objective if it ' +
      'is a validation or training metric, the metric of each fold if the objective is the mean of folds, otherwise ' +
      '`validation.loss`. Several objectives are compared themselves.',
  })
  metric?: string | null;

  @Range(STUDY_RANGES.steps)
  @Field(() => Int, {
    nullable: true,
    description: 'ASHA, HYPERBAND: first step that is judged. MEDIAN, WILCOXON: steps before any trial is stopped.',
  })
  minSteps?: number | null;

  @Range(STUDY_RANGES.steps)
  @Field(() => Int, { nullable: true, description: 'HYPERBAND: last step of a trial; required.' })
  maxSteps?: number | null;

  @Range(STUDY_RANGES.reduction)
  @Field(() => Float, {
    nullable: true,
    description: 'ASHA, HYPERBAND: one of so many trials goes on; 4 and 3 when absent.',
  })
  reduction?: number | null;

  @Range(STUDY_RANGES.startupTrials)
  @Field(() => Int, { nullable: true, description: 'MEDIAN: complete trials before any is stopped; 5 when absent.' })
  startupTrials?: number | null;

  @Range(STUDY_RANGES.steps)
  @Field(() => Int, { nullable: true, description: 'PATIENCE: steps without improvement; required.' })
  patience?: number | null;

  @Range({ min: 0 })
  @Field(() => Float, {
    nullable: true,
    description: 'PATIENCE: smallest change that counts as an improvement; 0 when absent.',
  })
  minDelta?: number | null;

  @Range(STUDY_RANGES.probability)
  @Field(() => Float, { nullable: true, description: 'WILCOXON: largest p-value; 0.1 when absent.' })
  pValue?: number | null;

  @Field(() => Float, { nullable: true, description: 'THRESHOLD: smallest allowed value; none when absent.' })
  lower?: number | null;

  @Field(() => Float, { nullable: true, description: 'THRESHOLD: largest allowed value; none when absent.' })
  upper?: number | null;
}

@InputType({
  description:
    'No expected gain: the study stops when the newest trials have improved the best value by less than `minGain` ' +
    'each, on average.',
})
export class NoExpectedGainInput {
  @Range(STUDY_RANGES.window)
  @Field(() => Int, { description: 'Number of the newest trials that count.' })
  window!: number;

  @Range(STUDY_RANGES.minGain)
  @Field(() => Float, { description: 'Gain per trial that is worth its cost, in the unit of the objective.' })
  minGain!: number;
}

@InputType({ description: 'When no further trial begins; the first limit that is reached counts. One must be given.' })
export class StopRuleInput {
  @Range(STUDY_RANGES.trials)
  @Field(() => Int, {
    nullable: true,
    description: 'Trials in all, also failed and pruned ones; no limit when absent.',
  })
  maxTrials?: number | null;

  @Range(STUDY_RANGES.durationMs)
  @Field(() => Int, {
    nullable: true,
    description: 'Time from the start of the study; trials that run then end normally. No limit when absent.',
  })
  maxDurationMs?: number | null;

  @Field(() => NoExpectedGainInput, { nullable: true, description: 'Stops when little more is to be gained.' })
  noExpectedGain?: NoExpectedGainInput | null;
}

/** What a study has, whoever trains its trials. */
@InputType({ description: 'What every study has.' })
abstract class StudyInput {
  @Field(() => ID, { description: 'Experiment of the runs. NOT_FOUND when it does not exist.' })
  experimentId!: string;

  @Range(NAME)
  @Field(() => String, { description: 'Name of the study and of its run; need not be unique.' })
  name!: string;

  @Field(() => SamplerEnum, { defaultValue: 'AUTO', description: 'How parameters are chosen.' })
  sampler!: SamplerKind;

  @Field(() => PrunerInput, {
    nullable: true,
    description:
      'When running trials are stopped early; never when absent. With several objectives NONE, ASHA, HYPERBAND, ' +
      'MEDIAN or PATIENCE.',
  })
  pruner?: PrunerInput | null;

  @Field(() => StopRuleInput, { description: 'When no further trial begins.' })
  stop!: StopRuleInput;

  @Range(STUDY_RANGES.enqueued)
  @Field(() => [Json], {
    nullable: true,
    description: 'Trials to begin with: objects with a value for each parameter, e.g. {"learningRate": 0.1}.',
  })
  enqueuedTrials?: unknown[] | null;

  @Range(STUDY_RANGES.warmStart)
  @Field(() => [ID], {
    nullable: true,
    description:
      'Earlier studies with the same objectives, whose complete trials the sampler learns from (at most 1,000 of ' +
      'each). NOT_FOUND when one does not exist; CONFLICT when no trial fits the space.',
  })
  warmStartFrom?: string[] | null;

  @Range(STUDY_RANGES.seed)
  @Field(() => Int, { defaultValue: 0, description: 'Random seed of the sampler.' })
  seed!: number;
}

@InputType({ description: 'Study to be driven by a trainer outside this service.' })
export class CreateStudyInput extends StudyInput {
  @Field(() => SearchSpaceInput, { description: 'Where the study searches.' })
  space!: SearchSpaceInput;

  @Range(STUDY_RANGES.objectives)
  @Field(() => [ObjectiveInput], { description: 'What it improves; the trainer tells one value for each.' })
  objectives!: ObjectiveInput[];

  @Range(STUDY_RANGES.aliveMs)
  @Field(() => Int, {
    defaultValue: 3_600_000,
    description:
      'A trial without a call of its trainer for this time, in milliseconds, is given out again; after three times it ' +
      'fails.',
  })
  trialTimeoutMs!: number;
}

@InputType({ description: 'Tuning: experiment, dataset, training and search.' })
export class StartTuningInput extends StudyInput {
  @Field(() => ID, { description: 'Dataset of the trainings. NOT_FOUND when it does not exist.' })
  datasetId!: string;

  @Field(() => TrainingConfigInput, {
    description: 'Configuration of each training; the tuned hyperparameters are added to it.',
  })
  config!: TrainingConfigInput;

  @Field(() => SearchSpaceInput, {
    nullable: true,
    description:
      'Where the study searches. When absent: the default search space of the algorithm (see `algorithms`), without ' +
      'the hyperparameters in `config`.',
  })
  space?: SearchSpaceInput | null;

  @Range(STUDY_RANGES.objectives)
  @Field(() => [ObjectiveInput], {
    nullable: true,
    description:
      'Metrics to improve: final metrics of the training, or metrics of its epochs, which are taken at the epoch ' +
      'whose weights are kept, or means over folds, e.g. `cross_validation.rmse.mean`. When absent: ' +
      '`validation.log_loss`, `validation.rmse` or `validation.silhouette`, so that the holdout stays unseen; with a ' +
      'cross-validation the mean of its folds. With a pruner and several objectives, metrics of its epochs only.',
  })
  objectives?: ObjectiveInput[] | null;

  @Range(STUDY_RANGES.parallel)
  @Field(() => Int, { defaultValue: 2, description: 'Number of trials that wait or run at the same time.' })
  parallelTrials!: number;

  @Range(STUDY_RANGES.repeats)
  @Field(() => Int, {
    defaultValue: 1,
    description: 'Trainings of each trial, each with another seed; the value of the trial is their mean.',
  })
  repeats!: number;

  @Field(() => TrainingBackendEnum, {
    nullable: true,
    description: 'Where the trainings run; LOCAL when absent. Errors as for startTraining.',
  })
  backend?: keyof typeof TrainingBackendEnum | null;

  @Range(WORKERS)
  @Field(() => Int, {
    nullable: true,
    description: 'Only with RAY: number of processes that train one model together; 1 when absent.',
  })
  workers?: number | null;
}
