// A Python with Ray Data, installed once and kept outside the checkout. The tests start the clusters themselves,
// because they also kill them.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findOrInstall } from './debian.mjs';
import { CACHE, makeVenv, pythonVersion } from './engines.mjs';

const REQUIREMENTS = fileURLToPath(new URL('../test/engines/batch/requirements.txt', import.meta.url));
const UV = 'uv==0.13.9';

function run(program, args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0)
    throw new Error(
      `${program} ${args.join(' ')} failed: ${(stderr || stdout || error?.message || '').trim().slice(-2_000)}`,
    );
}

/** Like startPython in engines.mjs, with other packages. */
export function startBatchPython() {
  const system = findOrInstall(['python3'], 'python3');
  const wanted = createHash('sha256')
    .update(pythonVersion(system))
    .update(UV)
    .update(readFileSync(REQUIREMENTS))
    .digest('hex')
    .slice(0, 12);
  const folder = join(CACHE, `batch-${wanted}`);
  const python = join(folder, 'bin', 'python');
  const complete = join(folder, 'complete');
  if (!existsSync(complete)) {
    console.error('Installing Ray Data for Python (once; a minute, 1 GB) …');
    rmSync(folder, { recursive: true, force: true });
    makeVenv(system, folder);
    run(python, ['-m', 'pip', 'install', '--quiet', UV]);
    run(join(folder, 'bin', 'uv'), [
      ...['pip', 'install', '--quiet', '--no-cache', '--compile-bytecode', '--python', python],
      ...['--requirement', REQUIREMENTS],
    ]);
    writeFileSync(complete, '');
  }
  return { env: { MATIH_RAY_PYTHON: python }, stop: () => undefined };
}
