import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { askOnce, ChildLost, explainLoss } from '../../child-task/child-task.js';
import { LimitedProcess, type ProcessEnd, type ProcessLimits } from '../../child-task/limited-process.js';
import { AppError, conflict, ErrorCode } from '../../errors.js';
import { algorithmOf, type AlgorithmName, isPython, type PythonConfig } from '../../modules/algorithms/index.js';
import { type LocalTrainingBackend, watchUsage } from '../local-backend.js';
import { finishOutside } from '../outside/finish.js';
import { PREPARATION_PROGRAM } from '../outside/programs.js';
import { outsideResultSchema, type TrainedOutside } from '../outside/result.js';
import { writeSpec } from '../outside/spec.js';
import type { RunningTraining, TrainingBackend, TrainingHooks, TrainingOutcome, TrainingRequest } from '../port.js';
import { passOn } from './reports.js';

export interface PythonBackendOptions {
  /** A Python interpreter with the extra `train` of python/; absent when none is set up. */
  pythonPath: string | undefined;
  limits: ProcessLimits;
  /** Milliseconds between two measurements of the machine; 0 for none. */
  usageIntervalMs: number;
}

const PACKAGE_DIR = fileURLToPath(new URL('../../../python/', import.meta.url));
const START = `import sys; sys.path.insert(0, ${JSON.stringify(PACKAGE_DIR)}); from matih_ml.train.__main__ import main; main()`;
/** Whether a Python has a library, without loading it: the exit code is 0 then. */
const HAS_LIBRARY = 'import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)';
/** A process that was stopped ignores any other signal. */
const LOOK = { timeout: 20_000, killSignal: 'SIGKILL' } as const;
/** More than the longest report. */
const MAX_PENDING_CHARACTERS = 1024 ** 2;

/** The library that trains, by the name under which Python knows it. */
const LIBRARIES: Record<PythonConfig['algorithm'], string> = {
  RANDOM_FOREST_CLASSIFIER: 'sklearn',
  RANDOM_FOREST_REGRESSOR: 'sklearn',
  XGBOOST_CLASSIFIER: 'xgboost',
  XGBOOST_REGRESSOR: 'xgboost',
  LIGHTGBM_CLASSIFIER: 'lightgbm',
  LIGHTGBM_REGRESSOR: 'lightgbm',
  PYTORCH_CLASSIFIER: 'torch',
  PYTORCH_REGRESSOR: 'torch',
};

const run = promisify(execFile);

/**
 * Trains the algorithms of Python in processes of this machine, by the program that also trains on a cluster; the
 * rows are prepared and the model is checked as for a cluster. All other algorithms are left to `local`.
 */
export class PythonTrainingBackend implements TrainingBackend {
  readonly name = 'local';
  /** Libraries that were found. */
  private readonly found = new Set<string>();

  constructor(
    private readonly options: PythonBackendOptions,
    private readonly local: LocalTrainingBackend,
  ) {}

  async problem(algorithm: AlgorithmName): Promise<string | null> {
    if (algorithmOf(algorithm).family !== 'PYTHON') return null;
    const { pythonPath } = this.options;
    if (!pythonPath)
      return (
        `${algorithm} is trained in Python, and none is set up: install python/ of this service with the extra ` +
        '`train`, and set PYTHON_PATH.'
      );
    const library = LIBRARIES[algorithm as PythonConfig['algorithm']];
    if (this.found.has(library)) return null;
    const has = await run(pythonPath, ['-I', '-c', HAS_LIBRARY, library], LOOK).then(
      () => true,
      () => false,
    );
    if (!has)
      return (
        `The Python of PYTHON_PATH does not run, or has no ${library}: install python/ of this service with the ` +
        'extra `train` there.'
      );
    this.found.add(library);
    return null;
  }

  start(request: TrainingRequest, hooks: TrainingHooks): RunningTraining {
    if (!isPython(request.config)) return this.local.start(request, hooks);
    const cancelling = new AbortController();
    return {
      outcome: this.outcomeOf(request, hooks, cancelling.signal),
      cancel: () => cancelling.abort(conflict('The training was cancelled.', { cancelled: true })),
    };
  }

  private async outcomeOf(
    request: TrainingRequest,
    hooks: TrainingHooks,
    signal: AbortSignal,
  ): Promise<TrainingOutcome> {
    const { config, workDir, resumeFromPath, threads = 1, team = { workers: 1, strategy: undefined } } = request;
    const problem = await this.problem(config.algorithm);
    if (problem) throw new AppError(ErrorCode.UNAVAILABLE, problem);
    hooks.onProgress(0, 'Reading the dataset');
    const prepared = await this.prepare(request, signal);
    if (resumeFromPath !== undefined) await copyFile(resumeFromPath, join(workDir, 'resume'));
    await writeSpec(workDir, { config, prepared, team, threads, resumes: resumeFromPath !== undefined });
    hooks.onProgress(0, 'Starting Python');
    const end = await this.runProgram(request, hooks, signal);
    const result = await resultIn(workDir, end);
    const arraysPath = join(workDir, 'trained.safetensors');
    return finishOutside(this.local, request, { arraysPath, result }, hooks, signal);
  }

  private async prepare({ config, data, workDir }: TrainingRequest, signal: AbortSignal) {
    try {
      const options = { limits: this.options.limits, cwd: workDir };
      return await askOnce(PREPARATION_PROGRAM, options, { config, data, workDir }, { signal });
    } catch (error) {
      throw explainLoss(error, PREPARATION_PROGRAM.name);
    }
  }

  /** Returns when the program has ended, by itself or at a limit; it may have stored no result. */
  private async runProgram(request: TrainingRequest, hooks: TrainingHooks, signal: AbortSignal): Promise<ProcessEnd> {
    const { pythonPath = '', limits, usageIntervalMs } = this.options;
    const { silenceMs, residentBytes, fileBytes } = limits;
    const { workDir } = request;
    await mkdir(join(workDir, 'tmp'), { recursive: true });
    signal.throwIfAborted();
    const child = new LimitedProcess({
      command: [pythonPath, '-I', '-B', '-c', START],
      cwd: workDir,
      env: environmentOf(request),
      // Libraries reserve much more memory than they use.
      limits: { silenceMs, residentBytes, fileBytes },
      hasChannel: true,
      watchesTree: true,
    });
    const cancel = (): void => child.kill();
    signal.addEventListener('abort', cancel, { once: true });
    const endUsage = watchUsage(child.pid, usageIntervalMs, hooks);
    try {
      await follow(child, workDir, hooks);
      return await child.ended;
    } finally {
      endUsage();
      child.kill();
      await child.ended;
      signal.removeEventListener('abort', cancel);
      signal.throwIfAborted();
    }
  }
}

/** Nothing of the environment of this service is passed on but what is named here. */
function environmentOf({ workDir, threads = 1, environment }: TrainingRequest): NodeJS.ProcessEnv {
  return {
    ...environment,
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: workDir,
    TMPDIR: join(workDir, 'tmp'),
    MATIH_FOLDER: workDir,
    OMP_NUM_THREADS: String(threads),
    OPENBLAS_NUM_THREADS: String(threads),
    // Processes of one training speak only inside this machine.
    GLOO_SOCKET_IFNAME: process.platform === 'linux' ? 'lo' : 'lo0',
  };
}

/** Passes the lines of the program on, one after the other; a program that says more meanwhile has to wait. */
async function follow(child: LimitedProcess, folder: string, hooks: TrainingHooks): Promise<void> {
  let pending = '';
  for await (const text of child.channel!.setEncoding('utf8') as AsyncIterable<string>) {
    child.heard();
    const lines = `${pending}${text}`.split('\n');
    pending = lines.pop()!;
    if (pending.length > MAX_PENDING_CHARACTERS) return child.kill('PROTOCOL');
    child.isUnheard = true;
    for (const line of lines) {
      await passOn(line, folder, hooks);
      if (child.isEnding) return;
    }
    child.isUnheard = false;
  }
}

/** Throws the failure that the program has stored, or what ended it before it stored anything. */
async function resultIn(folder: string, { reason, how, complaint }: ProcessEnd): Promise<TrainedOutside> {
  let stored: unknown;
  try {
    stored = JSON.parse(await readFile(join(folder, 'result.json'), 'utf8'));
  } catch {
    throw explainLoss(new ChildLost(reason, how, complaint), 'Python');
  }
  const { data } = outsideResultSchema.safeParse(stored);
  if (!data) throw new AppError(ErrorCode.INVALID_MODEL, 'The training in Python has stored a result that is none.');
  if (data.state === 'FAILED') throw new AppError(ErrorCode.CONFLICT, `The training in Python failed: ${data.message}`);
  return data;
}
