// A Python with Ray Data. The tests start the clusters themselves, because they also kill them.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { installRequirements, pythonEnvironment, UV } from './python-environment.mjs';

const REQUIREMENTS = fileURLToPath(new URL('../test/engines/batch/requirements.txt', import.meta.url));

export function startBatchPython() {
  const python = pythonEnvironment('batch', {
    parts: [UV, readFileSync(REQUIREMENTS)],
    news: 'Installing Ray Data for Python (once; a minute, 1 GB)',
    install: (folder) => installRequirements(folder, ['--compile-bytecode', '--requirement', REQUIREMENTS]),
  });
  return { env: { MATIH_RAY_PYTHON: python }, stop: () => undefined };
}
