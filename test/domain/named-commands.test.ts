import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const FOLDERS = ['src', 'scripts', 'bench', 'test', 'docs', 'graphiql/src', 'python'];
const FILES = ['README.md', 'CONTRIBUTING.md', 'package.json'];
const NOT_OURS = new Set(['install', 'ci', 'exec', 'test']);

function textsOf(path: string): [string, string][] {
  if (!statSync(path).isDirectory())
    return /\.(ts|tsx|mjs|md|json|py)$/.test(path) ? [[path, readFileSync(path, 'utf8')]] : [];
  return readdirSync(path).flatMap((name) => (name === 'node_modules' ? [] : textsOf(join(path, name))));
}

it('every command that a message, a comment or a document names exists', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
  const texts = [...FOLDERS, ...FILES].flatMap(textsOf).filter(([path]) => !path.endsWith('named-commands.test.ts'));
  const unknown: string[] = [];
  let named = 0;
  for (const [path, text] of texts) {
    for (const [, name = ''] of text.matchAll(
      /\bnpm (?:run )?(?:-s )?((?<=run |run -s )[a-z][a-z:-]*|start|test)\b/g,
    )) {
      named++;
      if (!NOT_OURS.has(name) && !(name in scripts)) unknown.push(`${path}: npm run ${name}`);
    }
    for (const [, script = ''] of text.matchAll(/\bnode ((?:scripts|bench)\/[\w/-]+\.(?:mjs|ts))/g)) {
      named++;
      if (!statSync(script, { throwIfNoEntry: false })) unknown.push(`${path}: node ${script}`);
    }
  }
  expect(unknown).toEqual([]);
  expect(named).toBeGreaterThan(20);
});
