// Runs the tests against real engines, each started here for this run alone. The first argument may name a family of
// tests that needs large installations, and runs alone: npm run test:engines -- frameworks. --all runs every family.
// Other arguments go to vitest.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromiumPath } from './chromium.mjs';
import { startFrameworks } from './python-frameworks.mjs';
import { startPostgres, startPython, startRedis, startS3 } from './engines.mjs';

const FAMILIES = {
  ordinary: {
    starts: [startRedis, startS3, startPostgres, startPython, startBrowser],
    projects: ['engines', 'on-engines'],
  },
  frameworks: { starts: [startFrameworks], projects: ['frameworks'] },
};

function startBrowser() {
  return { env: { MATIH_CHROMIUM: chromiumPath() }, stop: () => undefined };
}

const [first, ...others] = process.argv.slice(2);
const isAll = first === '--all';
const isNamed = first !== undefined && Object.hasOwn(FAMILIES, first);
const families = isAll ? Object.values(FAMILIES) : [FAMILIES[isNamed ? first : 'ordinary']];
const starts = families.flatMap((family) => family.starts);
const projects = families.flatMap((family) => family.projects);
const rest = isAll || isNamed ? others : process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), 'matih-engines-'));
// PostgreSQL runs as another user than root, who must come through.
await chmod(folder, 0o755);
const running = [];
try {
  for (const start of starts) running.push(await start(folder));
  const env = Object.assign({ ...process.env }, ...running.map((engine) => engine.env));
  const vitest = spawn('vitest', ['run', ...projects.flatMap((project) => ['--project', project]), ...rest], {
    env,
    stdio: 'inherit',
  });
  // Whoever ends this run, its engines end with it.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => vitest.kill('SIGTERM'));
  const [code] = await once(vitest, 'exit');
  process.exitCode = code ?? 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  for (const { stop } of running.reverse()) await stop();
  await rm(folder, { recursive: true, force: true });
}
