// A Python with vLLM for CPUs, and a language model of two megabytes, made here because tests download no models. The
// tests start the server themselves, because they also kill it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pythonEnvironment, run } from './python-environment.mjs';
import { installTorch, TORCH_PARTS } from './python-frameworks.mjs';

const FOLDER = fileURLToPath(new URL('../test/engines/vllm/', import.meta.url));
const [REQUIREMENTS, OVERRIDES, MODEL] = ['requirements.txt', 'overrides.txt', 'tiny_model.py'].map((name) =>
  join(FOLDER, name),
);

export function startVllmPython(folder) {
  const python = vllmPython();
  const models = join(folder, 'models');
  run(python, [MODEL, models]);
  return { env: { MATIH_VLLM_PYTHON: python, MATIH_VLLM_MODELS: models }, stop: () => undefined };
}

function vllmPython() {
  if (process.env.MATIH_VLLM_PYTHON) return process.env.MATIH_VLLM_PYTHON;
  return pythonEnvironment('vllm', {
    parts: [...TORCH_PARTS, ...[REQUIREMENTS, OVERRIDES].map((path) => readFileSync(path))],
    news: 'Installing vLLM for Python (once; some minutes, 2.5 GB)',
    install: (folder) => installTorch(folder, [REQUIREMENTS], [OVERRIDES]),
  });
}
