// A Python with PyTorch and TensorFlow for CPUs. This is only for tests, not a way to install them.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findOrInstall } from './debian.mjs';
import { installRequirements, pythonEnvironment, run, UV } from './python-environment.mjs';

const FOLDER = fileURLToPath(new URL('../test/engines/frameworks/', import.meta.url));
/** Libraries to which PyTorch's CUDA build is linked, except libcudart, which is small and is really installed. */
const EMPTY_LIBRARIES = [
  'libcublas.so.13',
  'libcublasLt.so.13',
  'libcudnn.so.9',
  'libcufft.so.12',
  'libcufile.so.0',
  'libcupti.so.13',
  'libcurand.so.10',
  'libcusolver.so.12',
  'libcusparse.so.12',
  'libcusparseLt.so.0',
  'libnccl.so.2',
  'libnvrtc.so.13',
  'libnvshmem_host.so.3',
];

/** What an environment with PyTorch depends on, besides its requirements. */
export const TORCH_PARTS = [
  ...[UV, EMPTY_LIBRARIES.join()],
  ...['overrides.txt', 'lazy_torch.py'].map((name) => readFileSync(join(FOLDER, name))),
];

/** Installs these requirements, PyTorch among them, into a virtual environment. */
export function installTorch(folder, requirements, overrides = []) {
  const python = join(folder, 'bin', 'python');
  const gcc = findOrInstall(['gcc'], 'gcc');
  installRequirements(folder, [
    ...requirements.flatMap((path) => ['--requirement', path]),
    ...[join(FOLDER, 'overrides.txt'), ...overrides].flatMap((path) => ['--override', path]),
  ]);
  const packages = run(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']);
  const libraries = join(packages, 'torch', 'lib');
  copyFileSync(join(packages, 'nvidia', 'cu13', 'lib', 'libcudart.so.13'), join(libraries, 'libcudart.so.13'));
  for (const name of EMPTY_LIBRARIES)
    run(gcc, ['-shared', '-x', 'c', '-o', join(libraries, name), `-Wl,-soname,${name}`, '-'], { input: '\n' });
  copyFileSync(join(FOLDER, 'lazy_torch.py'), join(packages, 'lazy_torch.py'));
  writeFileSync(join(packages, 'lazy_torch.pth'), 'import lazy_torch\n');
  run(python, ['-c', 'import torch; torch.ones(2) @ torch.ones(2)']);
}

export function startFrameworks() {
  // Models that must be unpickled are converted in this sandbox.
  findOrInstall(['bwrap'], 'bubblewrap');
  return { env: { MATIH_PYTHON: frameworksPython() }, stop: () => undefined };
}

/** The program: that of MATIH_PYTHON, or of the environment that is created here once. */
export function frameworksPython() {
  if (process.env.MATIH_PYTHON) return process.env.MATIH_PYTHON;
  const parts = ['requirements.txt', 'overrides.txt', 'lazy_torch.py'].map((name) => readFileSync(join(FOLDER, name)));
  return pythonEnvironment('frameworks', {
    parts: [UV, EMPTY_LIBRARIES.join(), ...parts],
    news: 'Installing PyTorch and TensorFlow for Python (once; some minutes, 4 GB)',
    install: (folder, python) => {
      installTorch(folder, [join(FOLDER, 'requirements.txt')]);
      run(python, ['-c', 'import tensorflow']);
    },
  });
}
