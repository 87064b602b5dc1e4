// Virtual environments of Python for the tests, each created once and kept outside the checkout.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { findOrInstall, installPackage } from './debian.mjs';

/** What is built once, so that other checkouts find it. */
export const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'matih-engines');
export const UV = 'uv==0.13.9';

/** Runs a program to its end, and gives what it printed. */
export function run(program, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', ...options });
  if (status !== 0)
    throw new Error(
      `${program} ${args.join(' ')} failed: ${(stderr || stdout || error?.message || '').trim().slice(-2_000)}`,
    );
  return stdout.trim();
}

/**
 * The Python of the environment with this name. `install` fills its folder, when none is complete for the same Python
 * and the same `parts`; `news` says what then takes time.
 */
export function pythonEnvironment(name, { parts, news, install }) {
  const system = findOrInstall(['python3'], 'python3');
  const { stdout: version } = spawnSync(system, ['--version'], { encoding: 'utf8' });
  const wanted = [version, ...parts].reduce((hash, part) => hash.update(part), createHash('sha256'));
  const folder = join(CACHE, `${name}-${wanted.digest('hex').slice(0, 12)}`);
  const python = join(folder, 'bin', 'python');
  const complete = join(folder, 'complete');
  if (!existsSync(complete)) {
    console.error(`${news} …`);
    rmSync(folder, { recursive: true, force: true });
    makeVenv(system, folder);
    install(folder, python);
    writeFileSync(complete, '');
  }
  return python;
}

/** Installs the packages of a file by uv. Its cache would store everything a second time. */
export function installRequirements(folder, options) {
  const python = join(folder, 'bin', 'python');
  run(python, ['-m', 'pip', 'install', '--quiet', UV]);
  run(join(folder, 'bin', 'uv'), ['pip', 'install', '--quiet', '--no-cache', '--python', python, ...options]);
}

/** Creates a virtual environment; on Debian this needs a separate package. */
function makeVenv(system, folder) {
  const { status } = spawnSync(system, ['-m', 'ensurepip', '--version'], { encoding: 'utf8' });
  if (status !== 0) installPackage('python3-venv');
  run(system, ['-m', 'venv', folder]);
}
