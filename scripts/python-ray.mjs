// A Python with Ray and the libraries that train on it, created once and kept outside the checkout. The tests start the
// clusters themselves, because they also kill them.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findOrInstall } from './debian.mjs';
import { CACHE, makeVenv, pythonVersion } from './engines.mjs';
import { installTorch, TORCH_PARTS } from './python-frameworks.mjs';

const REQUIREMENTS = fileURLToPath(new URL('../test/engines/ray/requirements.txt', import.meta.url));
const TRAINERS = fileURLToPath(new URL('../test/engines/ray/trainers.txt', import.meta.url));
const UV = 'uv==0.13.9';

function run(program, args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0)
    throw new Error(
      `${program} ${args.join(' ')} failed: ${(stderr || stdout || error?.message || '').trim().slice(-2_000)}`,
    );
}

/** Like startPython in engines.mjs, with other packages. */
export function startRayPython() {
  return rayPython('ray', 'about a minute, 600 MB', [UV, readFileSync(REQUIREMENTS)], (folder, python) => {
    run(python, ['-m', 'pip', 'install', '--quiet', UV]);
    run(join(folder, 'bin', 'uv'), [
      ...['pip', 'install', '--quiet', '--no-cache', '--compile-bytecode', '--python', python],
      ...['--requirement', REQUIREMENTS],
    ]);
  });
}

/** The same with PyTorch and LightGBM, so that every algorithm of python/ trains. */
export function startTrainersPython() {
  const parts = [readFileSync(REQUIREMENTS), readFileSync(TRAINERS), ...TORCH_PARTS];
  return rayPython('trainers', 'some minutes, 2 GB', parts, (folder) => installTorch(folder, [REQUIREMENTS, TRAINERS]));
}

function rayPython(name, effort, parts, install) {
  if (process.env.MATIH_RAY_PYTHON) return { env: {}, stop: () => undefined };
  const system = findOrInstall(['python3'], 'python3');
  const wanted = parts.reduce((hash, part) => hash.update(part), createHash('sha256').update(pythonVersion(system)));
  const folder = join(CACHE, `${name}-${wanted.digest('hex').slice(0, 12)}`);
  const python = join(folder, 'bin', 'python');
  const complete = join(folder, 'complete');
  if (!existsSync(complete)) {
    console.error(`Installing Ray and its libraries for Python (once; ${effort}) …`);
    rmSync(folder, { recursive: true, force: true });
    makeVenv(system, folder);
    install(folder, python);
    writeFileSync(complete, '');
  }
  return { env: { MATIH_RAY_PYTHON: python }, stop: () => undefined };
}
