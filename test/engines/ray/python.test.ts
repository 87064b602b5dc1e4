import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { engine } from '../engines.js';

const cwd = fileURLToPath(new URL('../../../python/', import.meta.url));

/** A program beside the interpreter of the trainings. */
function run(name: string, ...args: string[]): { status: number | null; said: string } {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };
  const { status, stdout, stderr } = spawnSync(join(dirname(engine('MATIH_RAY_PYTHON')), name), args, {
    ...{ cwd, env, encoding: 'utf8', timeout: 300_000 },
  });
  return { status, said: `${stdout}${stderr}` };
}

const TRAININGS = ['matih_ml/train', 'tests'];

it.each([
  ['ruff', ['check', '--no-cache', ...TRAININGS]],
  ['ruff', ['format', '--check', '--no-cache', ...TRAININGS]],
  ['mypy', ['--cache-dir', '/dev/null']],
  ['pytest', ['-q', '-p', 'no:cacheprovider', 'tests']],
])('%s is content with the trainings in Python: %s', (name, args) => {
  const { status, said } = run(name, ...args);
  expect(status, said).toBe(0);
}, 300_000);
