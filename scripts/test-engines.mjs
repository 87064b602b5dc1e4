// Runs the tests against real engines, which it starts for this run only. Without an argument: the family of tests that
// CI runs. The first argument may name another family, which needs large installations or another engine: npm run
// test:engines -- frameworks. --all runs every family, one after the other. Other arguments are passed to vitest.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromiumPath } from './chromium.mjs';
import { startBatchPython } from './python-batch.mjs';
import { startFrameworks } from './python-frameworks.mjs';
import { startTritonPython } from './python-triton.mjs';
import { startRayPython, startTrainersPython } from './python-ray.mjs';
import { startVllmPython } from './python-vllm.mjs';
import { startTritonClient } from './python-tritonclient.mjs';
import { startKubeRayDecoder } from './kuberay.mjs';
import { startMinio, startPostgres, startPython, startRedis, startVersitygw } from './engines.mjs';

const FAMILIES = {
  ordinary: {
    starts: [
      startRedis,
      startVersitygw,
      startPostgres,
      startPython,
      startRayPython,
      startTritonPython,
      startTritonClient,
      startBrowser,
    ],
    projects: ['engines', 'on-engines'],
  },
  minio: {
    starts: [startRedis, startMinio],
    projects: ['engines', 'on-engines'],
    files: ['object-store', 'direct-upload', 'artifact.test.ts', 'dataset.test.ts'],
  },
  frameworks: { starts: [startFrameworks], projects: ['frameworks'] },
  ray: { starts: [startTrainersPython], projects: ['ray'] },
  batch: { starts: [startBatchPython], projects: ['batch'] },
  vllm: { starts: [startVllmPython], projects: ['vllm'] },
  kuberay: { starts: [startKubeRayDecoder], projects: ['kuberay'] },
};

function startBrowser() {
  return { env: { MATIH_CHROMIUM: chromiumPath() }, stop: () => undefined };
}

const [first, ...others] = process.argv.slice(2);
const isNamed = first === '--all' || Object.hasOwn(FAMILIES, first ?? '');
const rest = isNamed ? others : process.argv.slice(2);
const families = first === '--all' ? Object.values(FAMILIES) : [FAMILIES[isNamed ? first : 'ordinary']];

let isStopped = false;

async function runFamily({ starts, projects, files = [] }) {
  const folder = await mkdtemp(join(tmpdir(), 'matih-engines-'));
  // PostgreSQL does not run as root; its user must be able to enter the folder.
  await chmod(folder, 0o755);
  const running = [];
  try {
    for (const start of starts) running.push(await start(folder));
    const env = Object.assign({ ...process.env }, ...running.map((engine) => engine.env));
    const args = ['run', ...projects.flatMap((project) => ['--project', project]), ...files, ...rest];
    const vitest = spawn('vitest', args, { env, stdio: 'inherit' });
    // Whoever ends this run, its engines end with it.
    const stop = () => {
      isStopped = true;
      vitest.kill('SIGTERM');
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, stop);
    const [code] = await once(vitest, 'exit');
    return code ?? 1;
  } finally {
    for (const { stop } of running.reverse()) await stop();
    await rm(folder, { recursive: true, force: true });
  }
}

for (const family of families) {
  if (isStopped) break;
  try {
    process.exitCode = (await runFamily(family)) || process.exitCode;
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
