import { readFileSync } from 'node:fs';

/** A document of schema/operations, by its file name. */
export function document(name: string): string {
  return readFileSync(new URL(`../schema/operations/${name}.graphql`, import.meta.url), 'utf8');
}
