import { Field, Float, Int, ObjectType } from 'type-graphql';
import {
  CoordinateAxis,
  ImportantParameter,
  LeftOutParameter,
  ParameterInteraction,
} from '../experiments/run-analysis.types.js';
import { DateTime } from '../types/scalars.js';

@ObjectType({ description: 'A complete trial in the history of a study.' })
export class StudyHistoryPoint {
  @Field(() => Int, { description: 'Which trial, counted from 0.' })
  number!: number;

  @Field(() => Float, { description: 'The objective, with the sign of its metric.' })
  value!: number;

  @Field(() => Boolean, { description: 'Whether it fulfils its soft constraints.' })
  isFeasible!: boolean;

  @Field(() => Float, {
    nullable: true,
    description: 'Best feasible value of this trial and those before it; null before the first one.',
  })
  best!: number | null;

  @Field(() => DateTime, { nullable: true, description: 'Time of its end, UTC.' })
  endedAt!: Date | null;
}

@ObjectType({ description: 'Line of one trial through all axes.' })
export class StudyLine {
  @Field(() => Int, { description: 'Which trial, counted from 0.' })
  number!: number;

  @Field(() => [Number], {
    nullable: 'items',
    description: 'Position on each axis, from 0 to 1; null for a parameter that has no meaning in the trial.',
  })
  positions!: (number | null)[];

  @Field(() => [String], { nullable: 'items', description: 'Value on each axis as text; null in the same case.' })
  texts!: (string | null)[];
}

@ObjectType({ description: 'Data of a parallel-coordinates plot of a study.' })
export class StudyCoordinates {
  @Field(() => [CoordinateAxis], { description: 'Axes: parameters first, then objectives.' })
  axes!: CoordinateAxis[];

  @Field(() => [StudyLine], { description: 'Lines of the complete trials, by number; the newest 10,000.' })
  lines!: StudyLine[];
}

@ObjectType({ description: 'A complete trial over two parameters.' })
export class ContourPoint {
  @Field(() => Int, { description: 'Which trial, counted from 0.' })
  number!: number;

  @Field(() => Float, { description: 'Position on the first axis, from 0 to 1.' })
  x!: number;

  @Field(() => Float, { description: 'Position on the second axis, from 0 to 1.' })
  y!: number;

  @Field(() => Float, { description: 'The objective, with the sign of its metric.' })
  value!: number;
}

@ObjectType({ description: 'Data of a contour plot: the value of an objective over two parameters.' })
export class StudyContour {
  @Field(() => [CoordinateAxis], { description: 'Scales of both parameters, x first.' })
  axes!: CoordinateAxis[];

  @Field(() => [ContourPoint], { description: 'Complete trials in which both parameters have a meaning, by number.' })
  points!: ContourPoint[];
}

@ObjectType({ description: 'Which parameters of a study change its objective.' })
export class StudyImportance {
  @Field(() => String, { description: 'The objective whose changes are explained.' })
  metric!: string;

  @Field(() => String, { description: 'Name and source of the procedure.' })
  method!: string;

  @Field(() => Int, { description: 'Number of complete trials it was computed from, at most 1,000.' })
  trialCount!: number;

  @Field(() => Number, {
    nullable: true,
    description: 'Out-of-bag R² of the forest: near or below 0, the importances are meaningless. Null when unknown.',
  })
  outOfBagR2?: number | null;

  @Field(() => [ImportantParameter], { description: 'Parameters, most important first.' })
  params!: ImportantParameter[];

  @Field(() => [ParameterInteraction], { description: 'The strongest pairs, strongest first.' })
  interactions!: ParameterInteraction[];

  @Field(() => [LeftOutParameter], { description: 'Parameters that were left out, with the reason.' })
  leftOut!: LeftOutParameter[];
}

@ObjectType('ParameterShare', { description: 'How much one parameter decides whether a trial is among the best.' })
export class ParameterShareType {
  @Field(() => String, { description: 'The hyperparameter, as named in the space.' })
  name!: string;

  @Field(() => Float, { description: 'Its part of the importance of all parameters, from 0 to 1.' })
  share!: number;
}

@ObjectType({ description: 'Which parameters distinguish the best trials of a study from the others.' })
export class StudyImportanceAmongBest {
  @Field(() => String, { description: 'Name and source of the procedure.' })
  method!: string;

  @Field(() => Int, { description: 'Number of complete trials it was computed from, the newest 10,000.' })
  trialCount!: number;

  @Field(() => [ParameterShareType], { description: 'Parameters, most important first.' })
  params!: ParameterShareType[];
}
