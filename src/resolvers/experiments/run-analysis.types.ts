import { Field, InputType, Int, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { MetricDirection } from './run-comparison.types.js';
import { RunFilterInput } from './run-filter.types.js';
import { RunType } from './run.types.js';
import { Range } from '../types/range.js';
import { MAX_IMPORTANCE_RUNS } from '../../modules/statistics/index.js';

export const AxisKind = describeEnum('AxisKind', 'Scale of an axis that shows a parameter or metric.', {
  LINEAR: 'Numbers on a linear scale.',
  LOG:
    'Positive numbers on a logarithmic scale: they span two powers of ten or more and are more ' +
    'even on this scale.',
  CATEGORICAL: 'Texts, in code point order.',
});

export const AxisSource = describeEnum('AxisSource', 'Source of the values of an axis.', {
  PARAMETER: 'Values of a parameter.',
  METRIC: 'Newest values of a metric.',
});

@InputType({ description: 'What to show as parallel coordinates.' })
export class ParallelCoordinatesInput {
  @Field(() => RunFilterInput, { nullable: true, description: 'Which runs, newest first; all when absent.' })
  filter?: RunFilterInput | null;

  @Field(() => String, {
    nullable: true,
    description: 'A filter as text, which must hold besides `filter`; as that of `runs`.',
  })
  where?: string | null;

  @Field(() => [String], {
    nullable: true,
    description:
      'Parameters to show, at most 50, in this order; when absent those that differ, the ones that most runs ' +
      'have first.',
  })
  paramKeys?: string[] | null;

  @Field(() => [String], { description: '1 to 10 metrics, shown after the parameters.' })
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

@ObjectType({ description: 'Data of a parallel-coordinates plot: axes, and a line per run.' })
export class ParallelCoordinates {
  @Field(() => [CoordinateAxis], { description: 'Parameters, then metrics.' })
  axes!: CoordinateAxis[];

  @Field(() => [CoordinateLine], { description: 'Runs, newest first.' })
  lines!: CoordinateLine[];
}

@InputType({ description: 'Which runs and which metric to look for important parameters in.' })
export class ParameterImportanceInput {
  @Field(() => RunFilterInput, {
    nullable: true,
    description: 'Which runs; the newest 1,000 of them are taken. All when absent.',
  })
  filter?: RunFilterInput | null;

  @Field(() => String, {
    nullable: true,
    description: 'A filter as text, which must hold besides `filter`; as that of `runs`.',
  })
  where?: string | null;

  @Field(() => String, {
    description: 'The metric to explain. Runs without a finite value of it are left out; at least 10 must be left.',
  })
  metricKey!: string;

  @Field(() => [String], {
    nullable: true,
    description: 'Parameters to look at, 1 to 50; when absent the first 50 that differ.',
  })
  paramKeys?: string[] | null;

  @Field(() => Int, {
    defaultValue: 1,
    description: 'Seed of the forest: the same runs and seed give the same answer.',
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

@ObjectType({ description: 'What two parameters moved only together.' })
export class ParameterInteraction {
  @Field(() => [String], { description: 'Names of the two.' })
  keys!: string[];

  @Field(() => Number, { description: 'Share of the metric’s variance beyond their main effects, 0 to 1.' })
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

@ObjectType({ description: 'Which parameters moved a metric over many runs, and how far that can be trusted.' })
export class ParameterImportance {
  @Field(() => String, { description: 'Name of the explained metric.' })
  metricKey!: string;

  @Field(() => String, { description: 'The procedure and its source.' })
  method!: string;

  @Field(() => Int, { description: 'Size of the forest.' })
  trees!: number;

  @Field(() => Int, { description: 'Seed that the forest was grown with.' })
  seed!: number;

  @Field(() => Int, { description: 'Runs that were learnt from.' })
  runCount!: number;

  @Field(() => Int, { description: 'Runs of the filter that have no finite value of the metric.' })
  runsLeftOut!: number;

  @Field(() => Number, {
    nullable: true,
    description:
      'R² on runs that a tree has not seen: 1 is perfect; near or below 0 the parameters do not explain the ' +
      'metric, and the shares below mean nothing. Null when it cannot be said.',
  })
  outOfBagR2?: number | null;

  @Field(() => [ImportantParameter], { description: 'Most important first.' })
  params!: ImportantParameter[];

  @Field(() => [ParameterInteraction], {
    description: 'The ten strongest pairs among the eight parameters of greatest `permutation`, strongest first.',
  })
  interactions!: ParameterInteraction[];

  @Field(() => Number, {
    description: 'Share of the variance in what is not listed: interactions of three and more, and other pairs.',
  })
  rest!: number;

  @Field(() => [LeftOutParameter], { description: 'Parameters that were not used, and why.' })
  leftOut!: LeftOutParameter[];
}
