/** What a stacked ensemble learns from: the answers of models of each member's configuration, out of fold. */
import { isDeepStrictEqual } from 'node:util';
import { AppError, badInput } from '../../../errors.js';
import { outOfFold, type OutOfFold } from '../../../training/out-of-fold.js';
import type { MemberAnswers } from './combination.js';
import type { Truth } from './diversity.js';
import type { EnsembleRequest, Stacking } from './port.js';

/** Answers, and what was true. */
export interface Lesson {
  answers: MemberAnswers;
  truth: Truth;
}

export async function stackingLesson(
  { members, data, task }: EnsembleRequest,
  { folds, configs }: Stacking,
  thresholds: readonly (number | undefined)[],
  onProgress: (share: number, message: string) => void,
): Promise<Lesson> {
  if (data.kind !== 'HOLDOUT') throw new Error('members without a training cannot be trained again');
  const all: OutOfFold[] = [];
  for (const [i, config] of configs.entries()) {
    const { name } = members[i]!;
    const report = (share: number, message: string): void =>
      onProgress((i + share) / configs.length, `Training ${name} again, ${message}`);
    try {
      all.push(await outOfFold(data.training, config, folds, report));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      throw new AppError(error.code, `${name}, trained again: ${error.message}`, {
        ...error.details,
        field: `input.members[${i}].modelVersionId`,
      });
    }
  }
  const [first] = all;
  const other = all.findIndex(
    ({ rowNumbers, target }) =>
      !isDeepStrictEqual(rowNumbers, first!.rowNumbers) || !isDeepStrictEqual(target, first!.target),
  );
  if (other >= 0)
    throw badInput(
      `input.members[${other}].modelVersionId`,
      `a version that has learnt from the same rows as ${members[0]!.name}`,
      members[other]!.name,
    );
  const { target } = first!;
  if (task === 'REGRESSION') {
    if (target.kind !== 'VALUES') throw new Error('values need a target of values');
    const own = all.map(({ answers }) => Float64Array.from(answers));
    return { answers: { task, members: own }, truth: { values: target.values } };
  }
  if (target.kind !== 'CLASSES') throw new Error('classes need a target of classes');
  const own = all.map(({ answers }) => Float32Array.from(answers));
  const classCount = target.classes.length;
  return { answers: { task, classCount, thresholds, members: own }, truth: { labels: target.labels } };
}
