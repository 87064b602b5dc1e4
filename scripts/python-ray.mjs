// A Python with Ray and the libraries that train on it. The tests start the clusters themselves, because they also kill
// them.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { installRequirements, pythonEnvironment, UV } from './python-environment.mjs';
import { installTorch, TORCH_PARTS } from './python-frameworks.mjs';

const REQUIREMENTS = fileURLToPath(new URL('../test/engines/ray/requirements.txt', import.meta.url));
const TRAINERS = fileURLToPath(new URL('../test/engines/ray/trainers.txt', import.meta.url));

export function startRayPython() {
  return rayPython('ray', 'about a minute, 600 MB', [UV, readFileSync(REQUIREMENTS)], (folder) =>
    installRequirements(folder, ['--compile-bytecode', '--requirement', REQUIREMENTS]),
  );
}

/** The same with PyTorch and LightGBM, so that every algorithm of python/ trains. */
export function startTrainersPython() {
  const parts = [readFileSync(REQUIREMENTS), readFileSync(TRAINERS), ...TORCH_PARTS];
  return rayPython('trainers', 'some minutes, 2 GB', parts, (folder) => installTorch(folder, [REQUIREMENTS, TRAINERS]));
}

function rayPython(name, effort, parts, install) {
  if (process.env.MATIH_RAY_PYTHON) return { env: {}, stop: () => undefined };
  const news = `Installing Ray and its libraries for Python (once; ${effort})`;
  return { env: { MATIH_RAY_PYTHON: pythonEnvironment(name, { parts, news, install }) }, stop: () => undefined };
}
