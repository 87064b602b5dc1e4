import { AppError, ErrorCode } from '../../../errors.js';
import { SeededRandom } from '../../statistics/index.js';
import { type Axis, axisOf } from './axis.js';
import { type Constraint, parseConstraint } from './constraint.js';
import type { ParameterSpace, ParameterValue, Params, SearchSpace } from './space.js';

/** Parameters that are always active together: they have the same condition. */
export interface Group {
  /** Indices into `axes`. */
  axes: readonly number[];
  /** Whether it is not always active. */
  isConditional: boolean;
  isActive(params: Params): boolean;
  /** The constraints that only need parameters of this group. */
  constraints: readonly Constraint[];
}

/** A checked space, ready for samplers. */
export interface CompiledSpace {
  axes: readonly Axis[];
  /** The names of the parameters that others depend on. */
  parents: ReadonlySet<string>;
  /** A group comes after the group of the parameter that it depends on. */
  groups: readonly Group[];
  /** The number of different points without constraints, or Infinity. */
  size: number;
  isFeasible(params: Params): boolean;
  /** The same text for the same parameters. */
  keyOf(params: Params): string;
  /** The parameters, in the order of the space, whose places are given; those that are not active are left out. */
  at(placeOf: (axis: number) => number): Params;
}

/** Draws with which the feasible share is estimated. */
const SHARE_DRAWS = 10_000;
const MIN_SHARE = 0.01;
const compiled = new WeakMap<SearchSpace, CompiledSpace>();

/** The space must have passed `checkSpace`. */
export function compileSpace(space: SearchSpace): CompiledSpace {
  const known = compiled.get(space);
  if (known) return known;
  const made = compile(space);
  compiled.set(space, made);
  return made;
}

function compile({ parameters, constraints: texts }: SearchSpace): CompiledSpace {
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const axes = parameters.map(axisOf);
  const constraints = texts.map((text) => parseConstraint(text, byName) as Constraint);
  const groups = groupsOf(parameters, constraints);
  const at = (placeOf: (axis: number) => number): Params => {
    const found: Record<string, ParameterValue> = {};
    for (const group of groups) {
      if (!group.isActive(found)) continue;
      for (const axis of group.axes) found[axes[axis]!.name] = axes[axis]!.valueAt(placeOf(axis));
    }
    return inOrder(axes, found);
  };
  return {
    axes,
    parents: new Set(parameters.flatMap(({ when }) => when?.parameter ?? [])),
    groups,
    size: sizeOf(parameters, axes),
    isFeasible: (params) => constraints.every((constraint) => constraint.holds(params)),
    keyOf: (params) => JSON.stringify(axes.map(({ name }) => params[name] ?? null)),
    at,
  };
}

function inOrder(axes: readonly Axis[], found: Params): Params {
  const ordered: Record<string, ParameterValue> = {};
  for (const { name } of axes) if (found[name] !== undefined) ordered[name] = found[name];
  return ordered;
}

/** The parameters with these values and the values of a group, in the order of the space. */
export function joined(space: CompiledSpace, params: Params, more: Params): Params {
  return inOrder(space.axes, { ...params, ...more });
}

function groupsOf(parameters: readonly ParameterSpace[], constraints: readonly Constraint[]): Group[] {
  const depthOf = ({ when }: ParameterSpace): number =>
    when ? 1 + depthOf(parameters.find(({ name }) => name === when.parameter)!) : 0;
  const members = new Map<string, number[]>();
  parameters.forEach(({ when }, i) => {
    const key = when ? JSON.stringify([when.parameter, when.oneOf.map((value) => JSON.stringify(value)).sort()]) : '';
    members.set(key, [...(members.get(key) ?? []), i]);
  });
  return [...members.values()]
    .sort((a, b) => depthOf(parameters[a[0]!]!) - depthOf(parameters[b[0]!]!))
    .map((axes) => {
      const { when } = parameters[axes[0]!]!;
      const names = new Set(axes.map((axis) => parameters[axis]!.name));
      return {
        axes,
        isConditional: when !== undefined,
        isActive: (params) => !when || when.oneOf.includes(params[when.parameter]!),
        constraints: constraints.filter((constraint) => constraint.names.every((name) => names.has(name))),
      };
    });
}

/** Counts the values of a parameter together with those of the parameters that depend on each of them. */
function sizeOf(parameters: readonly ParameterSpace[], axes: readonly Axis[]): number {
  const product = (indices: readonly number[]): number => indices.reduce((size, i) => size * pointsOf(i), 1);
  const pointsOf = (i: number): number => {
    const children = [...parameters.keys()].filter((c) => parameters[c]!.when?.parameter === parameters[i]!.name);
    if (children.length === 0 || axes[i]!.size === Infinity) return axes[i]!.size;
    const named = new Set(children.flatMap((c) => parameters[c]!.when!.oneOf));
    let points = axes[i]!.size - named.size;
    for (const value of named) points += product(children.filter((c) => parameters[c]!.when!.oneOf.includes(value)));
    return points;
  };
  return product([...parameters.keys()].filter((i) => !parameters[i]!.when));
}

/** Uniform over the axes: parameters of 0 to 1, and categories. */
export function drawUniform(space: CompiledSpace, random: SeededRandom): Params {
  // Every axis takes its number, so that a draw does not depend on which parameters are active.
  const places = space.axes.map(({ isCategorical, size }) => (isCategorical ? random.below(size) : random.next()));
  return space.at((axis) => places[axis]!);
}

/** The share of a space, from 0 to 1, that fulfils its constraints, from 10,000 seeded draws. */
export function feasibleShare(space: SearchSpace, seed = 0): number {
  if (space.constraints.length === 0) return 1;
  const inside = compileSpace(space);
  const random = new SeededRandom(seed);
  let feasible = 0;
  for (let i = 0; i < SHARE_DRAWS; i++) if (inside.isFeasible(drawUniform(inside, random))) feasible++;
  return feasible / SHARE_DRAWS;
}

/** The feasible share; throws BAD_USER_INPUT with it when it is less than 1 %. */
export function checkFeasible(space: SearchSpace, field = 'space'): number {
  const share = feasibleShare(space);
  if (share >= MIN_SHARE) return share;
  const percent = Number((100 * share).toPrecision(3));
  const expected = 'constraints that at least 1 % of the points of the space fulfil';
  throw new AppError(
    ErrorCode.BAD_USER_INPUT,
    `${field}.constraints: expected ${expected}, got ${percent} % of ${SHARE_DRAWS} random points. ` +
      'Narrow the ranges or relax a constraint.',
    { field: `${field}.constraints`, expected, got: `${percent} %`, feasibleShare: share },
  );
}
