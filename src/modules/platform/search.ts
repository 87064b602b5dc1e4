import { badInput } from '../../errors.js';

/** A condition "contains this text"; upper or lower case does not matter. The user's % and _ are literal. */
export function containsText(text: string): { $ilike: string } {
  return { $ilike: likePattern(text) };
}

/** The same as the right side of an `ilike` in SQL. */
export function likePattern(text: string): string {
  return `%${text.replace(/[\\%_]/g, '\\$&')}%`;
}

/** A condition on a time, from a filter's `from` (inclusive) and `to`; no condition when both are absent. */
export function within({ from, to }: { from?: Date | null; to?: Date | null }): {
  createdAt?: { $gte?: Date; $lt?: Date };
} {
  if (from && to && from >= to) throw badInput('filter.to', 'a time after filter.from', to);
  return from || to ? { createdAt: { ...(from && { $gte: from }), ...(to && { $lt: to }) } } : {};
}
