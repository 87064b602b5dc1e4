import { badInput } from '../../../errors.js';
import { ANY_ITEMS, characters, nearestName, type InputRange } from '../../core/index.js';
import type { Signature } from '../../model-contract/index.js';

export const LOG_RETENTION_DAYS = { min: 1, max: 365, unit: 'days' } satisfies InputRange;
export const DEFAULT_LOG_RETENTION_DAYS = 30;
export const LOG_ARCHIVE_DAYS = { min: 0, max: 3_650, unit: 'days' } satisfies InputRange;
export const LOG_ARCHIVE_DELAY_HOURS = { min: 0, max: 8_760, unit: 'hours' } satisfies InputRange;
export const REDACTED_FIELDS: InputRange = { ...ANY_ITEMS, min: 0, max: 100, unit: 'names', each: characters(1, 250) };

const MAX_NAMED = 20;

/** The names under which the log has inputs of these signatures: columns, and inputs without named columns. */
function loggedNames(signatures: readonly Signature[]): string[] {
  const names = signatures.flatMap(({ inputs }) =>
    inputs.flatMap(({ name, columns }) => columns?.map((column) => column.name) ?? [name]),
  );
  return [...new Set(names)].sort();
}

/**
 * The fields to redact, each once. BAD_USER_INPUT for one that no version of the model has: it would be a wrong promise
 * that it is not logged.
 */
export function checkRedactedFields(given: readonly string[], signatures: readonly Signature[]): string[] {
  const names = loggedNames(signatures);
  given.forEach((name, i) => {
    if (names.includes(name)) return;
    const near = nearestName(name, names);
    const field = `input.redactedFields[${i}]`;
    if (names.length === 0) throw badInput(field, 'an input of a version of the model, which has no version yet', name);
    const shown = names.slice(0, MAX_NAMED).join(', ') + (names.length > MAX_NAMED ? ', …' : '');
    throw badInput(field, `one of ${shown}${near === null ? '' : ` (did you mean ${near}?)`}`, name);
  });
  return [...new Set(given)];
}
