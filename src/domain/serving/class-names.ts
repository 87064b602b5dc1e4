import { badInput } from '../../errors.js';
import type { Signature } from './tensor.js';

const MAX_CLASSES = 1_000;
const MAX_NAME_CHARACTERS = 250;

/** How many classes the outputs give probabilities of; two for a single number per row, null where the shapes leave it open. */
export function classCountOf({ outputs }: Signature): number | null {
  const floats = outputs.filter(({ datatype }) => datatype === 'FP32' || datatype === 'FP64');
  const wide = floats.filter(({ shape }) => shape.length === 2 && shape[1] !== 1);
  const matrix = wide.find(({ name }) => name === 'probabilities') ?? (wide.length === 1 ? wide[0] : undefined);
  if (matrix) return matrix.shape[1]! > 1 ? matrix.shape[1]! : null;
  const single = floats.filter(({ shape }) => shape.slice(1).every((size) => size === 1));
  return wide.length === 0 && single.length === 1 ? 2 : null;
}

/** The signature with the class of each probability, in order. BAD_USER_INPUT names the first wrong one. */
export function withClasses(signature: Signature, field: string, classes: readonly string[]): Signature {
  const wanted = classCountOf(signature);
  if (classes.length < 2 || classes.length > MAX_CLASSES || (wanted !== null && classes.length !== wanted))
    throw badInput(field, wanted === null ? `2 to ${MAX_CLASSES} classes` : `${wanted} classes, one for each probability`, classes.length);
  classes.forEach((name, i) => {
    if (name === '' || name.length > MAX_NAME_CHARACTERS || name.includes('\0') || !name.isWellFormed())
      throw badInput(`${field}[${i}]`, `a name of 1 to ${MAX_NAME_CHARACTERS} characters`, name);
    if (classes.indexOf(name) < i) throw badInput(`${field}[${i}]`, 'each class once', name);
  });
  return { ...signature, classes: [...classes] };
}

/** Two spellings of one class: "1" and "1.0" are the same number. */
export function sameClass(a: string, b: string): boolean {
  if (a === b) return true;
  if (a.trim() === '' || b.trim() === '') return false;
  const [x, y] = [Number(a), Number(b)];
  return Number.isFinite(x) && x === y;
}
