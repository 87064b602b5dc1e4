/** What the versions of an ensemble must have in common. */
import { isDeepStrictEqual } from 'node:util';
import { badInput, conflict } from '../../../errors.js';
import type { TrainingConfig } from '../../algorithms/index.js';
import type { InputRange } from '../../core/index.js';
import { joinInputs, judgedOutput, sameClass, type Signature } from '../../model-contract/index.js';

export const MEMBERS: InputRange = { min: 1, max: 32, unit: 'members' };
export const WEIGHT: InputRange = { min: 0, max: 1 };

export const METHODS = ['SOFT_VOTING', 'HARD_VOTING', 'BLENDING', 'STACKING', 'BAGGING', 'BOOSTING'] as const;
export type Method = (typeof METHODS)[number];

/** How far the sum of the weights may be from 1. */
const SUM_TOLERANCE = 1e-6;

export const memberField = (position: number): string => `input.members[${position}].modelVersionId`;

/** Whether the models are trained from the configuration of the only member. */
export const grows = (method: Method): boolean => method === 'BAGGING' || method === 'BOOSTING';

/** BAGGING and BOOSTING take one version, the others combine several. */
export function requireCount(method: Method, count: number): void {
  if (grows(method) ? count === 1 : count >= 2) return;
  const expected = grows(method)
    ? `one version with ${method}, from whose configuration the models are trained`
    : `2 to ${MEMBERS.max} members with ${method}`;
  throw badInput('input.members', expected, count);
}

/** The weights of a vote, or null to learn them. Errors: BAD_USER_INPUT. */
export function weightsOf(method: Method, given: readonly (number | null)[], learnWeights: boolean): number[] | null {
  const named = given.findIndex((weight) => weight !== null);
  if (method !== 'SOFT_VOTING' && method !== 'HARD_VOTING') {
    if (named >= 0)
      throw badInput(`input.members[${named}].weight`, `none with ${method}, which finds them`, given[named]);
    return null;
  }
  if (learnWeights) {
    if (named >= 0) throw badInput(`input.members[${named}].weight`, 'none with learnWeights', given[named]);
    return null;
  }
  if (named < 0) return given.map(() => 1 / given.length);
  const weights = given.map((weight, i) => {
    if (weight !== null) return weight;
    throw badInput(`input.members[${i}].weight`, 'a weight for every member, or for none', 'nothing');
  });
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (Math.abs(sum - 1) > SUM_TOLERANCE) throw badInput('input.members', 'weights that add up to 1', sum);
  return weights;
}

/** A version that shall be a member. */
export interface Candidate {
  id: string;
  name: string;
  task: string;
  signature: Signature;
}

export type EnsembleTask = 'CLASSIFICATION' | 'REGRESSION';

/** The task of all members, when their signatures fit together. BAD_USER_INPUT names the first that does not. */
export function commonTask(members: readonly Candidate[], method: Method): EnsembleTask {
  const [first] = members;
  const task = first?.task;
  if (!first || (task !== 'CLASSIFICATION' && task !== 'REGRESSION'))
    throw badInput(memberField(0), 'a version of a model for CLASSIFICATION or REGRESSION', task);
  if (task === 'REGRESSION' && method === 'HARD_VOTING')
    throw badInput('input.method', 'SOFT_VOTING for a regression, which is the mean: values have no votes', method);
  for (const [i, member] of members.entries()) {
    if (member.task !== task)
      throw badInput(
        memberField(i),
        `a version of a model for ${task}, as ${first.name} is`,
        `${member.name} (${member.task})`,
      );
    requireSameOutput(members, i, task);
  }
  joinInputs(members.map(({ signature }, i) => ({ field: memberField(i), signature })));
  return task;
}

function requireSameOutput(members: readonly Candidate[], i: number, task: EnsembleTask): void {
  const { signature, name } = members[i]!;
  const output = judgedOutput(task, signature.outputs);
  if (output.meaning === 'SCORES' && task === 'CLASSIFICATION')
    throw badInput(memberField(i), 'a version that gives probabilities', `${name}, which gives decision values`);
  if (task === 'REGRESSION') return;
  const [first] = members;
  const [known, own] = [first!.signature.classes, signature.classes];
  if ((known === undefined) !== (own === undefined)) {
    const silent = known === undefined ? first! : members[i]!;
    throw badInput(
      memberField(members.indexOf(silent)),
      `a version whose classes are known: say them with updateModelVersion(input: {id: "${silent.id}", classes: ` +
        `${JSON.stringify((known ?? own)!.slice(0, 10))}})`,
      `${silent.name} without classes`,
    );
  }
  const count = (of: Signature): number => {
    const { shape } = judgedOutput(task, of.outputs);
    return of.classes?.length ?? (shape.length === 2 && shape[1]! > 1 ? shape[1]! : 2);
  };
  if (known && own && known.length === own.length && known.every((one, k) => sameClass(one, own[k]!))) return;
  if (!known && count(first!.signature) === count(signature)) return;
  throw badInput(
    memberField(i),
    `a version with the classes of ${first!.name} in the same order (${shownClasses(known, count(first!.signature))})`,
    shownClasses(own, count(signature)),
  );
}

function shownClasses(classes: readonly string[] | undefined, count: number): string {
  return classes ? classes.slice(0, 10).join(', ') : `${count} classes`;
}

/** The rows that a version has learnt from, as far as this service knows. */
export interface Learnt {
  /** The member by which it came into the ensemble. */
  position: number;
  /** The SHA-256 of the dataset. */
  dataset: string;
  /** The training; null for an ensemble that has learnt from the holdout of its members. */
  config: TrainingConfig | null;
}

/** Why a member may have learnt from every row of the dataset; null when there is a holdout that none has seen. */
export function seenReason(learnt: readonly Learnt[], members: readonly { name: string }[]): string | null {
  const nameOf = ({ position }: Learnt): string => members[position]!.name;
  for (const one of learnt) {
    if (!one.config) return `${nameOf(one)} has learnt from the holdout of its members`;
    if (one.config.refit) return `${nameOf(one)} was trained again on all rows (refit)`;
  }
  const [first, ...others] = learnt;
  const other =
    first && others.find(({ config }) => !isDeepStrictEqual(holdoutKey(config!), holdoutKey(first.config!)));
  return other ? `${nameOf(first)} and ${nameOf(other)} were trained on different parts of it` : null;
}

/** What decides which rows are the holdout. */
export function holdoutKey({ split, seed, window, sampleRows, target }: TrainingConfig): unknown {
  const drawsRows = split.by === 'RATIO' || sampleRows > 0;
  // How the other rows are divided into training and validation does not move the holdout.
  const { validation: _, ...parts } = split;
  return { parts, window, sampleRows, column: target?.column, ...(drawsRows && { seed }) };
}

/** CONFLICT when trainings of members had different targets. */
export function requireSameTarget(configs: readonly { name: string; config: TrainingConfig }[]): void {
  const [first, ...others] = configs;
  const other = first && others.find(({ config }) => !isDeepStrictEqual(config.target, first.config.target));
  if (!first || !other) return;
  const shown = ({ target }: TrainingConfig): string =>
    `${target?.column ?? ''}${target?.greaterThan === undefined ? '' : ` > ${target.greaterThan}`}`;
  throw conflict(`${first.name} and ${other.name} predict different targets, so they cannot be one ensemble.`, {
    field: 'input.members',
    expected: `the target ${shown(first.config)}`,
    got: shown(other.config),
  });
}
