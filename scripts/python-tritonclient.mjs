// A Python with Triton's client, for the tests of the Open Inference Protocol.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { installRequirements, pythonEnvironment, UV } from './python-environment.mjs';

const REQUIREMENTS = fileURLToPath(new URL('../test/engines/open-inference/requirements.txt', import.meta.url));

export function startTritonClient() {
  const python = pythonEnvironment('tritonclient', {
    parts: [UV, readFileSync(REQUIREMENTS)],
    news: 'Installing Triton’s client for Python (once; some seconds, 250 MB)',
    install: (folder) => installRequirements(folder, ['--requirement', REQUIREMENTS]),
  });
  return { env: { MATIH_TRITONCLIENT_PYTHON: python }, stop: () => undefined };
}
