// A Python with PyTorch and TensorFlow for CPUs, created once and kept outside the checkout. This is only for tests,
// not a way to install them.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findOrInstall } from './debian.mjs';
import { CACHE, makeVenv, pythonVersion } from './engines.mjs';

const FOLDER = fileURLToPath(new URL('../test/engines/frameworks/', import.meta.url));
const UV = 'uv==0.13.9';
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

function run(program, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', ...options });
  if (status !== 0)
    throw new Error(
      `${program} ${args.join(' ')} failed: ${(stderr || stdout || error?.message || '').trim().slice(-2_000)}`,
    );
  return stdout.trim();
}

/** What an environment with PyTorch depends on, besides its requirements. */
export const TORCH_PARTS = [
  ...[UV, EMPTY_LIBRARIES.join()],
  ...['overrides.txt', 'lazy_torch.py'].map((name) => readFileSync(join(FOLDER, name))),
];

/** Installs these requirements, PyTorch among them, into a virtual environment. */
export function installTorch(folder, requirements) {
  const python = join(folder, 'bin', 'python');
  const gcc = findOrInstall(['gcc'], 'gcc');
  run(python, ['-m', 'pip', 'install', '--quiet', UV]);
  const files = [
    ...requirements.flatMap((path) => ['--requirement', path]),
    '--override',
    join(FOLDER, 'overrides.txt'),
  ];
  // Its cache would store everything a second time.
  run(join(folder, 'bin', 'uv'), ['pip', 'install', '--quiet', '--no-cache', '--python', python, ...files]);
  const packages = run(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']);
  const libraries = join(packages, 'torch', 'lib');
  copyFileSync(join(packages, 'nvidia', 'cu13', 'lib', 'libcudart.so.13'), join(libraries, 'libcudart.so.13'));
  for (const name of EMPTY_LIBRARIES)
    run(gcc, ['-shared', '-x', 'c', '-o', join(libraries, name), `-Wl,-soname,${name}`, '-'], { input: '\n' });
  copyFileSync(join(FOLDER, 'lazy_torch.py'), join(packages, 'lazy_torch.py'));
  writeFileSync(join(packages, 'lazy_torch.pth'), 'import lazy_torch\n');
  run(python, ['-c', 'import torch; torch.ones(2) @ torch.ones(2)']);
}

/** Like startPython in engines.mjs, with other packages. */
export function startFrameworks() {
  // Models that must be unpickled are converted in this sandbox.
  findOrInstall(['bwrap'], 'bubblewrap');
  return { env: { MATIH_PYTHON: frameworksPython() }, stop: () => undefined };
}

/** The program: that of MATIH_PYTHON, or of the environment that is created here once. */
export function frameworksPython() {
  if (process.env.MATIH_PYTHON) return process.env.MATIH_PYTHON;
  const system = findOrInstall(['python3'], 'python3');
  const parts = ['requirements.txt', 'overrides.txt', 'lazy_torch.py'].map((name) => readFileSync(join(FOLDER, name)));
  const wanted = [pythonVersion(system), UV, EMPTY_LIBRARIES.join(), ...parts].reduce(
    (hash, part) => hash.update(part),
    createHash('sha256'),
  );
  const folder = join(CACHE, `frameworks-${wanted.digest('hex').slice(0, 12)}`);
  const python = join(folder, 'bin', 'python');
  const complete = join(folder, 'complete');
  if (!existsSync(complete)) {
    console.error('Installing PyTorch and TensorFlow for Python (once; some minutes, 4 GB) …');
    rmSync(folder, { recursive: true, force: true });
    makeVenv(system, folder);
    installTorch(folder, [join(FOLDER, 'requirements.txt')]);
    run(python, ['-c', 'import tensorflow']);
    writeFileSync(complete, '');
  }
  return python;
}
