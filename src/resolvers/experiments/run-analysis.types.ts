import { Field, InputType, Int, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { MetricDirection } from './run-comparison.types.js';
import { RunFilterInput } from './run-filter.types.js';
import { RunType } from './run.types.js';

export const AxisKind = describeEnum('AxisKind', 'How the values of a parameter or metric are laid out.', {
  LINEAR: 'Numbers, evenly.',
  LOG: 'Positive numbers over two powers of ten or more that lie more evenly on a logarithmic scale.',
  CATEGORICAL: 'Texts, in the order of their code points.',
});

export const AxisSource = describeEnum('AxisSource', 'Where the values of an axis come from.', {
  PARAMETER: 'What runs were made with.',
  METRIC: 'What came out of them: newest values.',
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

  @Field(() => Int, { defaultValue: 200, description: 'Runs at most, 1 to 1,000.' })
  limit!: number;
}

@ObjectType({ description: 'One upright of a plot of parallel coordinates.' })
export class CoordinateAxis {
  @Field(() => AxisSource, { description: 'Whether it shows a parameter or a metric.' })
  source!: keyof typeof AxisSource;

  @Field(() => String, { description: 'Name of the parameter or metric.' })
  key!: string;

  @Field(() => AxisKind, { description: 'Scale that its values are laid out on.' })
  kind!: keyof typeof AxisKind;

  @Field(() => Number, {
    nullable: true,
    description: 'Smallest number shown, at position 0; null for texts, and when no run has one.',
  })
  low?: number | null;

  @Field(() => Number, { nullable: true, description: 'Largest number shown, at position 1; null as `low`.' })
  high?: number | null;

  @Field(() => [String], { description: 'The texts, evenly spaced from position 0 to 1; empty for numbers.' })
  categories!: string[];

  @Field(() => MetricDirection, {
    nullable: true,
    description: 'Better end of a metric, guessed from its name; null for parameters.',
  })
  direction?: keyof typeof MetricDirection | null;
}

@ObjectType({ description: 'One run’s line through all axes.' })
export class CoordinateLine {
  @Field(() => RunType, { description: 'Whose values the line joins.' })
  run!: RunType;

  @Field(() => [Number], {
    nullable: 'items',
    description:
      'Where it crosses each axis, from 0 to 1; null where the run has no value, or one that is NaN or infinite.',
  })
  positions!: (number | null)[];

  @Field(() => [String], {
    nullable: 'items',
    description: 'The value at each axis as text, at most 250 characters; null where there is none.',
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

@ObjectType({ description: 'How much one parameter alone moved the metric.' })
export class ImportantParameter {
  @Field(() => String, { description: 'Name of the parameter.' })
  key!: string;

  @Field(() => AxisKind, { description: 'How its values were taken.' })
  kind!: keyof typeof AxisKind;

  @Field(() => Number, {
    description: 'Share of the metric’s variance that it explains by itself, 0 to 1 (fANOVA’s main effect).',
  })
  importance!: number;

  @Field(() => Number, { description: 'How much the trees of the forest differ in that share.' })
  standardDeviation!: number;

  @Field(() => Number, {
    description:
      'Growth of the squared error when its values are shuffled, over the metric’s variance; counts its ' +
      'interactions too. Near 0, and sometimes below, for a parameter that does nothing.',
  })
  permutation!: number;
}

@ObjectType({ description: 'What two parameters moved only together.' })
export class ParameterInteraction {
  @Field(() => [String], { description: 'Names of the two.' })
  keys!: string[];

  @Field(() => Number, { description: 'Share of the metric’s variance beyond their main effects, 0 to 1.' })
  importance!: number;

  @Field(() => Number, { description: 'How much the trees of the forest differ in that share.' })
  standardDeviation!: number;
}

@ObjectType({ description: 'A parameter that was not looked at.' })
export class LeftOutParameter {
  @Field(() => String, { description: 'Name of the parameter.' })
  key!: string;

  @Field(() => String, { description: 'Why it tells nothing, e.g. that it is the same in all runs.' })
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
