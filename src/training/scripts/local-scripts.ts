import { chmod, lchown, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { CODE_FOLDER } from '../../child-task/child-task.js';
import type { EndReason, ProcessEnd } from '../../child-task/limited-process.js';
import { PrintingProgram } from '../../child-task/printing-program.js';
import { type ClosedSandbox, interpreterFolders, runs, sandboxed, strangerId } from '../../child-task/sandbox.js';
import { AppError, ErrorCode } from '../../errors.js';
import { ApiGateway } from './api-gateway.js';
import { unpackCodeArchive } from './code-archive.js';
import { FREE_BYTES, freeBytes, watchDisk } from './disk-watch.js';
import type { ScriptBackend, ScriptRequest } from './port.js';

export interface LocalScriptOptions {
  /** The Python of the commands `python` and `python3`; that of the system when absent. */
  pythonPath: string | undefined;
  /** Where this process reaches the API of the service; null when nobody has said it. */
  apiUrl: string | null;
  /** Whether scripts reach the whole network, and not only the API. */
  hasNetwork: boolean;
  maxProcesses: number;
  maxDiskBytes: number;
  maxLogBytes: number;
}

/** Time to end after SIGTERM. */
const GRACE_MS = 8_000;
const API_PORT = 5_000;
/** The sandbox and the launcher: processes and memory that are not the script's. */
const OWN_PROCESSES = 3;
const OWN_BYTES = 128 * 1024 ** 2;
/** Node.js, the launcher, maps so much private memory at its start and hardly uses it. */
const OWN_DATA_BYTES = 1280 * 1024 ** 2;
const SHARED_MEMORY_BYTES = 256 * 1024 ** 2;
const OPEN_FILES = 4_096;
/** The kernel counts threads. Its limit keeps many processes from starting between two looks. */
const THREADS_PER_PROCESS = 8;
const OWN_THREADS = 64;
const SIGNAL_EXIT = 128;

/** Runs scripts in sandboxes on this machine. */
export class LocalScripts implements ScriptBackend {
  private works = false;
  private folders: string[] | undefined;

  constructor(private readonly options: LocalScriptOptions) {}

  async problem(): Promise<string | null> {
    const { pythonPath, apiUrl } = this.options;
    if (apiUrl === null)
      return 'A script reports to PUBLIC_URL: set it to an address at which this worker reaches the API.';
    if (this.works) return null;
    const test = sandboxed({ readable: [], mounts: [], cwd: '/', closed: this.closed(strangerId()) });
    if (!(await runs(test[0]!, [...test.slice(1), '/bin/sh', '-c', 'exit 0'])))
      return (
        'Scripts need bubblewrap 0.7 or newer, which keeps them from everything else, and it does not run here: ' +
        'install it (Debian: apt-get install bubblewrap), and allow user namespaces.'
      );
    if (pythonPath && !(await runs(pythonPath, ['-c', 'pass']))) return 'The Python of PYTHON_PATH does not run.';
    this.works = true;
    return null;
  }

  async run(request: ScriptRequest): Promise<void> {
    const problem = await this.problem();
    if (problem) throw new AppError(ErrorCode.UNAVAILABLE, problem);
    const { apiUrl, maxDiskBytes, pythonPath } = this.options;
    const { workDir, signal } = request;
    if ((await freeBytes(workDir)) < 2 * FREE_BYTES)
      throw new AppError(ErrorCode.UNAVAILABLE, 'The disk of the worker is almost full: free space on it.');
    for (const name of ['code', 'tmp', 'bin']) await mkdir(join(workDir, name));
    await unpackCodeArchive(request.archivePath, join(workDir, 'code'));
    if (pythonPath) {
      this.folders ??= await interpreterFolders(pythonPath);
      await offerPython(join(workDir, 'bin'), pythonPath);
    }
    await using gateway = await ApiGateway.open(apiUrl!);
    const userId = strangerId();
    if (userId !== undefined)
      for (const folder of [join(workDir, 'code'), join(workDir, 'tmp'), gateway.folder]) await giveTo(userId, folder);
    const token = await request.outside.token();
    signal.throwIfAborted();
    request.onProgress('Running the script');
    const program = this.start(request, gateway, token, userId);
    const watching = new AbortController();
    const watched = watchDisk(workDir, maxDiskBytes, watching.signal, () => program.kill('DISK'));
    const stop = () => program.terminate(GRACE_MS);
    signal.addEventListener('abort', stop, { once: true });
    try {
      const end = await program.ended;
      signal.throwIfAborted();
      this.requireSuccess(end, request.memoryBytes, token);
    } finally {
      signal.removeEventListener('abort', stop);
      watching.abort();
      await watched;
      for (const name of ['code', 'tmp']) await removeWhole(join(workDir, name));
    }
  }

  private start(
    request: ScriptRequest,
    gateway: ApiGateway,
    token: string,
    userId: number | undefined,
  ): PrintingProgram {
    const { hasNetwork, maxProcesses, maxDiskBytes, maxLogBytes } = this.options;
    const { workDir, command, datasetPath, memoryBytes } = request;
    const launcher = join(CODE_FOLDER, 'training/scripts/launcher.js');
    return new PrintingProgram({
      command: hasNetwork
        ? ['/bin/sh', '-c', command]
        : ['/matih/node', '/matih/launcher.mjs', `/matih/api/${gateway.socketName}`, String(API_PORT), command],
      wrapper: sandboxed({
        readable: this.folders ?? [],
        mounts: [
          { from: join(workDir, 'tmp'), to: '/tmp', isWritable: true },
          { from: join(workDir, 'code'), to: '/script', isWritable: true },
          { from: join(workDir, 'bin'), to: '/matih/bin' },
          { from: process.execPath, to: '/matih/node' },
          { from: launcher, to: '/matih/launcher.mjs' },
          { from: gateway.folder, to: '/matih/api' },
          ...(datasetPath ? [{ from: datasetPath, to: DATASET }] : []),
        ],
        cwd: '/script',
        hasNetwork,
        closed: this.closed(userId),
      }),
      cwd: workDir,
      env: this.environment(request, token),
      limits: {
        // A script may wait for hours; its job has a longest duration.
        silenceMs: Infinity,
        residentBytes: memoryBytes + OWN_BYTES,
        dataBytes: memoryBytes + OWN_DATA_BYTES,
        fileBytes: maxDiskBytes,
        openFiles: OPEN_FILES,
        processes: maxProcesses + OWN_PROCESSES,
        outputBytes: maxLogBytes,
      },
      watchesTree: true,
      isFirstVictim: true,
      onLines: (lines) => request.onLines(lines),
    });
  }

  private closed(userId: number | undefined): ClosedSandbox {
    const maxThreads = this.options.maxProcesses * THREADS_PER_PROCESS + OWN_THREADS;
    return { sharedMemoryBytes: SHARED_MEMORY_BYTES, maxThreads, userId };
  }

  /** Nothing of this process's environment is passed on. */
  private environment({ runId, variables, datasetPath, cores }: ScriptRequest, token: string): NodeJS.ProcessEnv {
    const { hasNetwork, apiUrl } = this.options;
    const threads = String(Math.max(1, Math.round(cores)));
    return {
      PATH: '/matih/bin:/usr/local/bin:/usr/bin:/bin',
      ...{ HOME: '/tmp', TMPDIR: '/tmp', USER: 'script', LOGNAME: 'script', LANG: 'C.UTF-8' },
      ...{ PYTHONUNBUFFERED: '1', PYTHONDONTWRITEBYTECODE: '1' },
      ...{ OMP_NUM_THREADS: threads, OPENBLAS_NUM_THREADS: threads },
      ...variables,
      MLFLOW_TRACKING_URI: hasNetwork ? apiUrl! : `http://127.0.0.1:${API_PORT}`,
      MLFLOW_TRACKING_TOKEN: token,
      MLFLOW_RUN_ID: runId,
      ...(datasetPath && { MATIH_DATASET: DATASET }),
    };
  }

  private requireSuccess({ reason, how, complaint }: ProcessEnd, memoryBytes: number, token: string): void {
    const { maxProcesses, maxDiskBytes, maxLogBytes } = this.options;
    const ended = (why: string) => new AppError(ErrorCode.RESOURCE_EXHAUSTED, `The script was ended: it ${why}.`);
    const limits: Partial<Record<EndReason, string>> = {
      MEMORY: `needed more than its ${memoryBytes} bytes of memory; ask for more in input.job.memoryBytes`,
      PROCESSES: `ran more than ${maxProcesses} processes at the same time (SCRIPT_MAX_PROCESSES)`,
      DISK: `wrote more than ${maxDiskBytes} bytes to the disk (SCRIPT_MAX_DISK_BYTES), or the disk is almost full`,
      OUTPUT: `printed more than ${maxLogBytes} bytes (SCRIPT_MAX_LOG_BYTES); log files as artifacts instead`,
    };
    if (limits[reason] !== undefined) throw ended(limits[reason]);
    if (reason === 'START')
      throw new AppError(ErrorCode.UNAVAILABLE, 'The sandbox of the script could not be started.');
    if (reason === 'EXIT' && how === 'exit code 0') return;
    const last = complaint.replaceAll(token, '(hidden)').trim().split('\n').at(-1)?.slice(0, 500);
    throw new AppError(ErrorCode.CONFLICT, `The script ended with ${endOf(how)}${last ? `: ${last}` : '.'}`);
  }
}

/** Also a folder that its owner has closed, or whose paths are too long for a single call. */
async function removeWhole(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch {
    await runs('/bin/sh', ['-c', 'chmod -R u+rwX -- "$1"; rm -rf -- "$1"', 'sh', folder]);
  }
}

async function giveTo(userId: number, folder: string): Promise<void> {
  await lchown(folder, userId, userId);
  for (const name of await readdir(folder, { recursive: true })) await lchown(join(folder, name), userId, userId);
}

const DATASET = '/matih/dataset.parquet';

/** The shell and the sandbox show the signal that has ended a process as an exit code. */
function endOf(how: string): string {
  const code = Number(/^exit code (\d+)$/.exec(how)?.[1]);
  const name = Object.entries(constants.signals).find(([, number]) => number === code - SIGNAL_EXIT)?.[0];
  return name === undefined ? how : `signal ${name}`;
}

/** The names under which commands call Python. A link would hide from it where its packages are. */
async function offerPython(folder: string, pythonPath: string): Promise<void> {
  const quoted = `'${pythonPath.replaceAll("'", `'\\''`)}'`;
  await chmod(folder, 0o755);
  for (const name of ['python', 'python3']) {
    const path = join(folder, name);
    await writeFile(path, `#!/bin/sh\nexec ${quoted} "$@"\n`);
    await chmod(path, 0o755);
  }
}
