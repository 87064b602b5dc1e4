// A real tritonserver from PyPI. The tests start and kill it themselves; ours is the only part that it lacks, a backend
// for ONNX, which model.py of this repository replaces.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { installPackage } from './debian.mjs';
import { installRequirements, pythonEnvironment, UV } from './python-environment.mjs';

const REQUIREMENTS = fileURLToPath(new URL('../test/engines/triton/requirements.txt', import.meta.url));
const PYTHON_LIBRARY = '/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0';

export function startTritonPython() {
  if (process.env.MATIH_TRITON_PYTHON) return { env: {}, stop: () => undefined };
  // The backend for Python links the library of the interpreter.
  if (!existsSync(PYTHON_LIBRARY) && !installPackage('libpython3.11'))
    throw new Error('The library of Python 3.11 is not installed: install it (Debian: apt-get install libpython3.11).');
  const python = pythonEnvironment('triton', {
    parts: [UV, readFileSync(REQUIREMENTS)],
    news: 'Installing tritonserver for Python (once; half a minute, 300 MB)',
    install: (folder) => installRequirements(folder, ['--no-deps', '--requirement', REQUIREMENTS]),
  });
  return { env: { MATIH_TRITON_PYTHON: python }, stop: () => undefined };
}
