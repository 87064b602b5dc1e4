import { rowWithoutProbabilities, sameClass } from '../../modules/model-contract/index.js';
import { AppError, ErrorCode, quote } from '../../errors.js';
import type { Target } from '../../training/port.js';
import type { ClassAnswers } from './answers.js';

type ClassTarget = Target & { kind: 'CLASSES' };

interface Circumstances {
  /**
   * True when the classes are in the order of the model: they come from the target of its training, or from a
   * threshold.
   */
  sameOrder: boolean;
  /** The column of the target. */
  column: string;
}

/**
 * The classes to evaluate: those of the target, then others that the model has. INVALID_TENSOR when the two do not
 * match.
 */
export function classesToEvaluate(
  target: ClassTarget,
  answers: ClassAnswers,
  { sameOrder, column }: Circumstances,
): string[] {
  const { classes: known, classCount } = answers;
  const wanted = target.classes;
  if (known === null || (sameOrder && !wanted.every((name) => indexOf(known, name) >= 0))) {
    if (classCount !== wanted.length)
      throw mismatch(`probabilities of ${wanted.length} classes`, `${classCount}`, sayClasses(wanted));
    if (!sameOrder && target.datatype === 'BYTES') {
      const what =
        `the class of each probability, as ${column} holds ${quote(wanted)} and the model does not say which ` +
        'comes first';
      throw mismatch(what, 'none', sayClasses(wanted));
    }
    return wanted;
  }
  const strange = wanted.find((name) => indexOf(known, name) < 0);
  if (strange !== undefined)
    throw mismatch(
      `the model's classes ${quote(known)} in column ${column}`,
      quote(strange),
      `${sayClasses(wanted)} if it means the same by other names`,
    );
  return [...wanted, ...known.filter((name) => indexOf(wanted, name) < 0)];
}

/** The probabilities of these classes, in this order. INVALID_TENSOR for numbers that are not probabilities. */
export function inOrder(answers: ClassAnswers, names: readonly string[]): Float32Array {
  const { probabilities, classCount, classes, output } = answers;
  const odd = rowWithoutProbabilities(probabilities, classCount);
  if (odd >= 0) {
    const got = Array.from(probabilities.subarray(odd * classCount, (odd + 1) * classCount).slice(0, 5), (value) =>
      Number(value.toPrecision(4)),
    );
    const instead = 'End the model with a softmax, or a sigmoid for two classes, and register it again';
    throw mismatch(`probabilities that add up to 1 in output ${output}`, `${quote(got)} for row ${odd + 1}`, instead);
  }
  if (classes === null || !names.every((name) => indexOf(classes, name) >= 0)) {
    if (classCount !== names.length) throw mismatch(`${names.length} classes`, `${classCount}`);
    return probabilities;
  }
  const from = names.map((name) => indexOf(classes, name));
  if (from.every((index, i) => index === i) && classCount === names.length) return probabilities;
  const arranged = new Float32Array((probabilities.length / classCount) * names.length);
  for (let row = 0, at = 0; at < arranged.length; row++)
    for (const index of from) arranged[at++] = probabilities[row * classCount + index]!;
  return arranged;
}

function indexOf(classes: readonly string[], name: string): number {
  const exact = classes.indexOf(name);
  return exact >= 0 ? exact : classes.findIndex((own) => sameClass(own, name));
}

function sayClasses(classes: readonly string[]): string {
  const some = classes.slice(0, 10).map((name) => JSON.stringify(name));
  return (
    `Say them in the order of the model's output: updateModelVersion(input: {id: …, classes: ` +
    `[${some.join(', ')}${classes.length > 10 ? ', …' : ''}]})`
  );
}

function mismatch(expected: string, got: string, next?: string): AppError {
  const message = `The model does not fit these rows: expected ${expected}, got ${got}.${next ? ` ${next}.` : ''}`;
  return new AppError(ErrorCode.INVALID_TENSOR, message, { field: 'outputs', expected, got, ...(next && { next }) });
}
