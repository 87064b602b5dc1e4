import { badInput } from '../errors.js';

/** Requires exactly one way to look something up; otherwise BAD_USER_INPUT names the ways. */
export function requireOneWay(ways: Record<string, unknown>): void {
  const names = Object.keys(ways);
  const given = names.filter((name) => ways[name] != null);
  if (given.length === 1) return;
  const shown = Object.fromEntries(given.map((name) => [name, ways[name]]));
  throw badInput(given[1] ?? names[0]!, `exactly one of ${names.slice(0, -1).join(', ')} and ${names.at(-1)}`, shown);
}
