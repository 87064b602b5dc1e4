import { badInput } from '../../errors.js';

const MAX_SEARCH_LENGTH = 200;

/** A condition "contains this text, whatever its case"; % and _ of the user mean themselves. */
export function containsText(field: string, text: string): { $ilike: string } {
  if (text.length > MAX_SEARCH_LENGTH) throw badInput(field, `at most ${MAX_SEARCH_LENGTH} characters`, `${text.length} characters`);
  return { $ilike: `%${text.replace(/[\\%_]/g, '\\$&')}%` };
}
