import { Field, InputType, Int, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { MetricDirection } from './run-comparison.types.js';
import { RunFilterInput } from './run-filter.types.js';
import { RunType } from './run.types.js';
import { Range, RangeOfModule } from '../types/range.js';
import { MAX_IMPORTANCE_RUNS, MAX_IMPORTANCE_PARAMS } from '../../modules/statistics/index.js';
import { FILTER_TEXT } from '../../modules/core/index.js';
import { MAX_AXES, MAX_METRIC_AXES } from '../../modules/experiments/index.js';

export const AxisKind = describeEnum('AxisKind', 'Scale of an axis that shows a parameter or metric.', {
  LINEAR: 'Numbers on a linear scale.',
  LOG:
    'Positive numbers on a logarithmic scale: they span two powers of ten or more and are more ' +
    'even on this scale.',
  CATEGORICAL: 'Texts, in code point order.',
});

export const AxisSource = describeEnum(
  'AxisSource',
  'Whether the values of an axis come from a parameter or a metric.',
  {
    PARAMETER: 'Values of a parameter.',
    METRIC: 'Newest values of a metric.',
  },
);

@InputType({ description: 'Runs, parameters and metrics of a parallel-coordinates plot.' })
export class ParallelCoordinatesInput {
  @Field(() => RunFilterInput, { nullable: true, description: 'Filter for runs, newest first; all runs when absent.' })
  filter?: RunFilterInput | null;

  @RangeOfModule(FILTER_TEXT)
  @Field(() => String, {
    nullable: true,
    description: 'Filter as text, combined with `filter` (both must match); same syntax as for `runs`.',
  })
  where?: string | null;

  @Range({ max: MAX_AXES, unit: 'parameters' })
  @Field(() => [String], {
    nullable: true,
    description:
      'Parameters to show, in this order. When absent, all that differ between runs; those that most ' +
      'runs have come first.',
  })
  paramKeys?: string[] | null;

  @Range({ min: 1, max: MAX_METRIC_AXES, unit: 'metrics' })
  @Field(() => [String], { description: 'Metrics, shown after the parameters.' })
  metricKeys!: string[];

  @Range({ min: 1, max: MAX_IMPORTANCE_RUNS, unit: 'runs' })
  @Field(() => Int, { defaultValue: 200, description: 'Maximum number of runs.' })
  limit!: number;
}

@ObjectType({ description: 'One axis of a parallel-coordinates plot.' })
export class CoordinateAxis {
  @Field(() => AxisSource, { description: 'Whether the axis shows a parameter or a metric.' })
  source!: keyof typeof AxisSource;

  @Field(() => String, { description: 'Name of the parameter or metric.' })
  key!: string;

  @Field(() => AxisKind, { description: 'Scale of the axis.' })
  kind!: keyof typeof AxisKind;

  @Field(() => Number, {
    nullable: true,
    description: 'Smallest number shown, at position 0; null for texts, and when no run has a value.',
  })
  low?: number | null;

  @Field(() => Number, {
    nullable: true,
    description: 'Largest number shown, at position 1; null in the same cases as `low`.',
  })
  high?: number | null;

  @Field(() => [String], { description: 'Texts of the axis, evenly spaced from position 0 to 1; empty for numbers.' })
  categories!: string[];

  @Field(() => MetricDirection, {
    nullable: true,
    description: 'Better direction of a metric, guessed from its name; null for parameters.',
  })
  direction?: keyof typeof MetricDirection | null;
}

@ObjectType({ description: 'Line of one run through all axes.' })
export class CoordinateLine {
  @Field(() => RunType, { description: 'Run that the line shows.' })
  run!: RunType;

  @Field(() => [Number], {
    nullable: 'items',
    description:
      'Position of the line on each axis, from 0 to 1; null when the run has no value, or a value ' +
      'that is NaN or infinite.',
  })
  positions!: (number | null)[];

  @Field(() => [String], {
    nullable: 'items',
    description: 'Value on each axis as text, at most 250 characters; null when the run has no value.',
  })
  texts!: (string | null)[];
}

@ObjectType({ description: 'Data of a parallel-coordinates plot: axes, and one line per run.' })
export class ParallelCoordinates {
  @Field(() => [CoordinateAxis], { description: 'Axes: parameters first, then metrics.' })
  axes!: CoordinateAxis[];

  @Field(() => [CoordinateLine], { description: 'Lines of the runs, newest run first.' })
  lines!: CoordinateLine[];
}

@InputType({ description: 'Runs and metric of a parameter importance analysis.' })
export class ParameterImportanceInput {
  @Field(() => RunFilterInput, {
    nullable: true,
    description: 'Filter for runs; the newest 1,000 matching runs are used. All when absent.',
  })
  filter?: RunFilterInput | null;

  @RangeOfModule(FILTER_TEXT)
  @Field(() => String, {
    nullable: true,
    description: 'Filter as text, combined with `filter` (both must match); same syntax as for `runs`.',
  })
  where?: string | null;

  @Field(() => String, {
    description: 'Metric to explain. Runs without a finite value of it are left out; at least 10 runs must remain.',
  })
  metricKey!: string;

  @Range({ min: 1, max: MAX_IMPORTANCE_PARAMS, unit: 'parameters' })
  @Field(() => [String], {
    nullable: true,
    description: 'Parameters to analyse; when absent, the first 50 that differ between runs.',
  })
  paramKeys?: string[] | null;

  @Field(() => Int, {
    defaultValue: 1,
    description: 'Random seed of the forest: the same runs and seed give the same result.',
  })
  seed!: number;
}

@ObjectType({ description: 'Effect of one parameter on the metric.' })
export class ImportantParameter {
  @Field(() => String, { description: 'Name of the parameter.' })
  key!: string;

  @Field(() => AxisKind, { description: 'How the values of the parameter were used: as numbers or as categories.' })
  kind!: keyof typeof AxisKind;

  @Field(() => Number, {
    description: 'Fraction of the metric’s variance that the parameter explains alone, 0 to 1 (main effect of fANOVA).',
  })
  importance!: number;

  @Field(() => Number, { description: 'Standard deviation of `importance` over the trees of the forest.' })
  standardDeviation!: number;

  @Field(() => Number, {
    description:
      'Permutation importance: increase of the squared error when the values of the parameter are ' +
      'shuffled, divided by the variance of the metric. It includes interactions. Near 0, sometimes ' +
      'below 0, for a parameter without effect.',
  })
  permutation!: number;
}

@ObjectType({ description: 'Interaction of two parameters: their joint effect on the metric.' })
export class ParameterInteraction {
  @Field(() => [String], { description: 'Names of the two parameters.' })
  keys!: string[];

  @Field(() => Number, {
    description: 'Fraction of the metric’s variance in addition to the two main effects, 0 to 1.',
  })
  importance!: number;

  @Field(() => Number, { description: 'Standard deviation of `importance` over the trees of the forest.' })
  standardDeviation!: number;
}

@ObjectType({ description: 'A parameter that was left out of the analysis.' })
export class LeftOutParameter {
  @Field(() => String, { description: 'Name of the parameter.' })
  key!: string;

  @Field(() => String, { description: 'Why the parameter was left out, e.g. because it is the same in all runs.' })
  reason!: string;
}

@ObjectType({
  description:
    'Parameter importance: which parameters changed a metric over many runs, and how reliable the result is.',
})
export class ParameterImportance {
  @Field(() => String, { description: 'Name of the metric that is explained.' })
  metricKey!: string;

  @Field(() => String, { description: 'Name and source of the procedure.' })
  method!: string;

  @Field(() => Int, { description: 'Number of trees in the forest.' })
  trees!: number;

  @Field(() => Int, { description: 'Random seed of the forest.' })
  seed!: number;

  @Field(() => Int, { description: 'Number of runs that the forest was trained on.' })
  runCount!: number;

  @Field(() => Int, { description: 'Number of runs that match the filter but have no finite value of the metric.' })
  runsLeftOut!: number;

  @Field(() => Number, {
    nullable: true,
    description:
      'Out-of-bag R²: measured on runs that a tree was not trained on. 1 is perfect; near or below ' +
      '0, the parameters do not explain the metric, and the importances are meaningless. Null when ' +
      'it cannot be computed.',
  })
  outOfBagR2?: number | null;

  @Field(() => [ImportantParameter], { description: 'Parameters, most important first.' })
  params!: ImportantParameter[];

  @Field(() => [ParameterInteraction], {
    description: 'The ten strongest pairs of the eight parameters with the greatest `permutation`, strongest first.',
  })
  interactions!: ParameterInteraction[];

  @Field(() => Number, {
    description:
      'Fraction of the variance from everything that is not listed: interactions of three and more ' +
      'parameters, and other pairs.',
  })
  rest!: number;

  @Field(() => [LeftOutParameter], { description: 'Parameters that were left out, with the reason.' })
  leftOut!: LeftOutParameter[];
}
