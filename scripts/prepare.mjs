// Makes the checkout ready to run: installs the packages of the lockfile, compiles src/, writes the types of the
// GraphQL documents, and builds the GraphiQL page. Plain JavaScript for Node 20 without dependencies, because it runs
// before any are installed. When there is nothing to do, it takes less than 150 ms.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const at = (...parts) => join(root, ...parts);
const NEEDED_NODE = 24;
const BUILDS = [
  {
    name: 'the service',
    command: ['tsc', '-p', 'tsconfig.json'],
    sources: ['src', 'tsconfig.json', 'package-lock.json'],
    stamp: at('dist', '.service-sources'),
    // Imports and the lists of migrations would still find a compiled file whose source was deleted.
    before: () => removeOrphans(at('dist')),
  },
  {
    name: "the operations' types",
    command: ['node', 'scripts/generate-operations.mjs'],
    sources: [
      'schema/schema.graphql',
      'schema/operations',
      'test/operations',
      'bench/operations',
      'scripts/generate-operations.mjs',
      'package-lock.json',
    ],
    stamp: at('dist', '.operations-sources'),
    before: () => {},
  },
  {
    name: 'the GraphiQL page',
    command: ['vite', 'build', '--config', 'graphiql/vite.config.ts', '--logLevel', 'error'],
    sources: ['graphiql', 'docs/quickstart.md', 'schema/operations', 'package-lock.json'],
    stamp: at('dist', '.graphiql-sources'),
    before: () => {},
  },
];

class PrepareError extends Error {}

function readJson(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

const isForThisMachine = ({ optional, devOptional, link }) => !optional && !devOptional && !link;

/** npm writes node_modules/.package-lock.json last, so an interrupted or older install differs from the lockfile. */
function isInstalled() {
  const wanted = readJson(at('package-lock.json'))?.packages ?? {};
  const present = readJson(at('node_modules', '.package-lock.json'))?.packages;
  if (!present) return false;
  const same = (path) =>
    present[path]?.version === wanted[path]?.version && present[path]?.integrity === wanted[path]?.integrity;
  const required = Object.keys(wanted).filter((path) => path !== '' && isForThisMachine(wanted[path]));
  return required.every(same) && Object.keys(present).every(same);
}

function filesUnder(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

function hashOf(sources) {
  const hash = createHash('sha256');
  for (const file of sources.flatMap((source) => filesUnder(at(source)))) {
    hash.update(relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

function removeOrphans(dist) {
  for (const file of filesUnder(dist)) {
    const name = relative(dist, file);
    if (name.startsWith('graphiql') || !/\.js(\.map)?$/.test(name)) continue;
    if (!existsSync(at('src', name.replace(/\.js(\.map)?$/, '.ts')))) rmSync(file);
  }
}

/** Runs a command and returns its exit code and its output. */
function run(command, args, environment = {}) {
  const path = [at('node_modules', '.bin'), process.env.PATH].join(delimiter);
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env: { ...process.env, PATH: path, ...environment } });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.on('error', (error) => resolve({ code: -1, output: error.message, missing: error.code === 'ENOENT' }));
    child.on('close', (code) => resolve({ code, output, missing: false }));
  });
}

const INSTALL_FAULTS = [
  [/EROFS|read-only file system/i, 'this folder is on a read-only disk'],
  [/ENOSPC|no space left/i, 'the disk is full'],
  [/EACCES|EPERM|permission denied/i, 'this user may not write here or in the npm cache'],
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ERR_SOCKET|ENETUNREACH|network/i,
    'the npm registry cannot be reached',
  ],
  [/EUSAGE|in sync/i, 'package-lock.json does not match package.json; run npm install'],
];

/** How often a line of progress is written: on a terminal it replaces the line before, elsewhere it is a new line. */
const PROGRESS_MS = process.stderr.isTTY ? 500 : 10_000;

/** Runs `work` and shows a line that says what is done and for how long, and what `detail` counts. */
async function withProgress(what, work, detail = () => '') {
  const startedAt = Date.now();
  const line = (end) => {
    const text = `${what}${end} ${detail()}${Math.round((Date.now() - startedAt) / 1000)} s`;
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[2K${text}` : `${text}\n`);
  };
  line(' …');
  const timer = setInterval(line, PROGRESS_MS, ' …');
  try {
    return await work();
  } finally {
    clearInterval(timer);
    line(':');
    if (process.stderr.isTTY) process.stderr.write('\n');
  }
}

function installedPackages() {
  const packages = readJson(at('package-lock.json'))?.packages ?? {};
  const wanted = Object.keys(packages).filter((path) => path !== '' && isForThisMachine(packages[path]));
  const present = wanted.filter((path) => existsSync(at(path, 'package.json'))).length;
  return `${present} of ${wanted.length} packages, `;
}

async function install() {
  // In an npm script, npm_execpath is the npm that runs this script; it need not be in the PATH.
  const npm = process.env.npm_execpath?.endsWith('npm-cli.js') ? [process.execPath, process.env.npm_execpath] : ['npm'];
  // ONNX Runtime's install script would download CUDA libraries; the CPU runtime is in the package.
  const flags = [
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    '--fetch-retry-mintimeout=1000',
    '--fetch-retry-maxtimeout=10000',
  ];
  const done = await withProgress(
    'Installing (once, about a minute)',
    () => run(npm[0], [...npm.slice(1), 'ci', ...flags], { ONNXRUNTIME_NODE_INSTALL: 'skip' }),
    installedPackages,
  );
  if (done.missing) throw new PrepareError('npm was not found: install Node.js 20 or newer together with npm.');
  if (done.code === 0) return;
  const reason = INSTALL_FAULTS.find(([pattern]) => pattern.test(done.output))?.[1];
  if (reason) throw new PrepareError(`The packages could not be installed: ${reason}.`);
  throw new PrepareError(
    `The packages could not be installed: npm ci ended with code ${done.code} (its output is above).`,
    {
      cause: done.output.trim(),
    },
  );
}

function checkNode() {
  if (existsSync(at('node_modules', '.bin', 'node')) || Number.parseInt(process.versions.node, 10) >= NEEDED_NODE)
    return;
  throw new PrepareError(
    `Node ${NEEDED_NODE} or newer is needed, this is ${process.versions.node}, and npm has no Node for ` +
      `${process.platform}-${process.arch}: install Node ${NEEDED_NODE} from https://nodejs.org.`,
  );
}

async function build({ name, command, sources, stamp, before }) {
  const hash = hashOf(sources);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return;
  before();
  rmSync(stamp, { force: true });
  const done = await run(command[0], command.slice(1));
  if (done.code !== 0) throw new PrepareError(`Building ${name} failed.`, { cause: done.output.trim() });
  writeFileSync(stamp, hash);
}

const lock = at('.cache', 'prepare.lock');

/** Two first starts at the same time must not install into the same folder; the second waits for the first. */
async function locked(work) {
  mkdirSync(dirname(lock), { recursive: true });
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (!isAlive(Number(readFileSync(lock, 'utf8')))) rmSync(lock, { force: true });
      else await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function isAlive(pid) {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

const isBuilt = ({ sources, stamp }) => existsSync(stamp) && readFileSync(stamp, 'utf8') === hashOf(sources);

try {
  if (!isInstalled() || !BUILDS.every(isBuilt)) {
    await locked(async () => {
      if (!isInstalled()) await install();
      checkNode();
      mkdirSync(at('dist'), { recursive: true });
      const names = BUILDS.filter((each) => !isBuilt(each)).map(({ name }) => name);
      await withProgress(`Building ${names.join(' and ')}`, () => Promise.all(BUILDS.map(build)));
    });
  }
  checkNode();
} catch (error) {
  if (error.cause) console.error(error.cause);
  const faults = {
    EROFS: 'the disk is read-only',
    ENOSPC: 'the disk is full',
    EACCES: 'this user may not write there',
  };
  console.error(
    error instanceof PrepareError
      ? error.message
      : `Preparing ${root} failed: ${faults[error.code] ?? error.message} (${error.path ?? error.code ?? error.name}).`,
  );
  process.exitCode = 1;
}
