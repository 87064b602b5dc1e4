import { characters, type InputRange } from '../../core/index.js';
import { badInput } from '../../../errors.js';
import type { Signature } from './tensor.js';

/** The classes that somebody names. */
export const CLASSES: InputRange = { min: 2, max: 1_000, unit: 'classes', each: characters(1, 250) };

/**
 * The number of classes for which the outputs give probabilities: two for a single number per row, null when the shapes
 * do not say it.
 */
export function classCountOf({ outputs }: Signature): number | null {
  const floats = outputs.filter(({ datatype }) => datatype === 'FP32' || datatype === 'FP64');
  const wide = floats.filter(({ shape }) => shape.length === 2 && shape[1] !== 1);
  const matrix = wide.find(({ name }) => name === 'probabilities') ?? (wide.length === 1 ? wide[0] : undefined);
  if (matrix) return matrix.shape[1]! > 1 ? matrix.shape[1]! : null;
  const single = floats.filter(({ shape }) => shape.slice(1).every((size) => size === 1));
  return wide.length === 0 && single.length === 1 ? 2 : null;
}

/** The signature with the class of each probability, in order. BAD_USER_INPUT names the first wrong class. */
export function withClasses(signature: Signature, field: string, classes: readonly string[]): Signature {
  const wanted = classCountOf(signature);
  if (wanted !== null && classes.length !== wanted)
    throw badInput(field, `${wanted} classes, one for each probability`, classes.length);
  classes.forEach((name, i) => {
    if (classes.indexOf(name) < i) throw badInput(`${field}[${i}]`, 'each class once', name);
  });
  return { ...signature, classes: [...classes] };
}

/** The signature with the classes that the file itself names, if there are as many as probabilities. */
export function withOwnClasses(signature: Signature, classes: string[] | null): Signature {
  const wanted = classCountOf(signature);
  const fits = classes !== null && (wanted === null || wanted === classes.length);
  return fits ? { ...signature, classes } : signature;
}

/** Whether two texts are one class: "1" and "1.0" are the same number. */
export function sameClass(a: string, b: string): boolean {
  if (a === b) return true;
  if (a.trim() === '' || b.trim() === '') return false;
  const [x, y] = [Number(a), Number(b)];
  return Number.isFinite(x) && x === y;
}

/** The class of a label: the class with the same text, else the class with the same number. */
export function classOfLabel(label: string | number | bigint, classes: readonly string[]): string {
  const text = String(label);
  if (classes.includes(text)) return text;
  return classes.find((name) => sameClass(name, text)) ?? classes[Number(label)] ?? text;
}

/** Logits and decision values are outside of 0 to 1 or do not add up to 1. A row that is not finite is ignored. */
const TOLERANCE = 1e-2;

/** Index of the first row whose values are not probabilities; -1 when there is none. */
export function rowWithoutProbabilities(values: Float32Array | Float64Array, classCount: number): number {
  for (let start = 0; start < values.length; start += classCount) {
    let sum = 0;
    let isProbable = true;
    for (let i = start; i < start + classCount; i++) {
      const value = values[i]!;
      sum += value;
      isProbable &&= !(value < -TOLERANCE || value > 1 + TOLERANCE);
    }
    if (!isProbable || Math.abs(sum - 1) > TOLERANCE) return start / classCount;
  }
  return -1;
}

/** From one probability per row, which is that of the second of two classes, the probabilities of both. */
export function bothProbabilities(ofSecond: Float32Array | Float64Array): Float64Array {
  const both = new Float64Array(ofSecond.length * 2);
  for (let row = 0; row < ofSecond.length; row++) {
    both[row * 2] = 1 - ofSecond[row]!;
    both[row * 2 + 1] = ofSecond[row]!;
  }
  return both;
}
