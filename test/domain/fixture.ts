import { readFileSync } from 'node:fs';

/** Cases that scripts/fixtures/domain.py and tuning.py have written. */
export function fixture<Case>(name: string): Case[] {
  const text = readFileSync(new URL(`../fixtures/domain/${name}.json`, import.meta.url), 'utf8');
  return (JSON.parse(text) as { cases: Case[] }).cases;
}
