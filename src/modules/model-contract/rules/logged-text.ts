import { createHash } from 'node:crypto';

const MAX_CHARACTERS = 200;
const KEPT_CHARACTERS = 160;

/**
 * A category as monitoring stores and compares it, a unique text for each category: a long one becomes its beginning
 * with a hash of the whole, and characters that PostgreSQL's JSON cannot store are replaced. Both the prediction log
 * and the reference profile use this form.
 */
export function loggedText(text: string): string {
  const plain = text.toWellFormed().replaceAll('\0', '\uFFFD');
  if (text.length <= MAX_CHARACTERS) return plain;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 32);
  return `${plain.slice(0, KEPT_CHARACTERS).toWellFormed()}… ${hash}`;
}
