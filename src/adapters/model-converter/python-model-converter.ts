import { chmod, copyFile, cp, lstat, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ChildLost, explainLoss } from '../../child-task/child-task.js';
import { LimitedProcess, type ProcessEnd } from '../../child-task/limited-process.js';
import { interpreterFolders, runs, sandboxed } from '../../child-task/sandbox.js';
import { type ConversionOutcome, conversionOutcomeSchema } from '../../modules/model-contract/index.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { ConversionRequest, ModelConverter } from './port.js';

export interface PythonConverterOptions {
  /** A Python interpreter with the extras of python/ installed; absent when not configured. */
  pythonPath?: string;
  sandbox: 'bubblewrap' | 'process';
  /** The process is ended after this time without a sign of life. */
  silenceMs: number;
  maxMemoryBytes: number;
}

const PACKAGE_DIR = fileURLToPath(new URL('../../../python/', import.meta.url));
const MAX_RESULT_BYTES = 1024 ** 2;
const MAX_FILE_BYTES = 4 * 1024 ** 3;

/**
 * Converts in a Python child process. Reading a pickled model runs its code. So the process can access only the
 * interpreter, the converters and its own folder: no network, no environment variables, no other files, no other
 * processes (bubblewrap). Time, memory and file size are limited.
 */
export class PythonModelConverter implements ModelConverter {
  private prefixes: string[] | undefined;

  constructor(private readonly options: PythonConverterOptions) {}

  async problem(): Promise<string | null> {
    const { pythonPath, sandbox } = this.options;
    if (!pythonPath)
      return (
        'No Python is set up to convert models: install python/ of this service with the extra of your ' +
        'framework, and set PYTHON_PATH.'
      );
    if (sandbox === 'bubblewrap' && !(await runs('bwrap', ['--version'])))
      return (
        'Conversion needs bubblewrap, which keeps a model from reaching anything else: install it (Debian: ' +
        'apt-get install bubblewrap), or set CONVERSION_SANDBOX=process where only your own models are ' +
        'converted.'
      );
    if (!(await runs(pythonPath, ['-c', 'pass']))) return `PYTHON_PATH does not run: ${pythonPath}.`;
    return null;
  }

  async convert(request: ConversionRequest, signal: AbortSignal): Promise<ConversionOutcome> {
    const problem = await this.problem();
    if (problem) throw new AppError(ErrorCode.UNAVAILABLE, problem);
    const folder = await mkdtemp(join(tmpdir(), 'matih-conversion-'));
    try {
      await cp(request.modelDir, join(folder, 'model'), { recursive: true });
      await mkdir(join(folder, 'tmp'));
      await chmod(folder, 0o700);
      const output = join(folder, 'model.onnx');
      const { sample, tolerance } = request;
      const inside = this.options.sandbox === 'bubblewrap' ? '/work' : folder;
      const asked = { modelDir: `${inside}/model`, output: `${inside}/model.onnx`, sample, tolerance };
      await writeFile(join(folder, 'request.json'), JSON.stringify(asked));
      const outcome = await readOutcome(join(folder, 'result.json'), await this.run(folder, inside, signal));
      if (outcome.state !== 'CONVERTED' && outcome.state !== 'DISAGREES') return outcome;
      if (!(await isPlainFile(output)))
        return { state: 'FAILED', reason: 'The conversion process left no model.onnx.' };
      await copyFile(output, request.outputPath);
      return outcome;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Returns when the process has ended, by itself or at a limit; it may have written no result. */
  private async run(folder: string, inside: string, signal: AbortSignal): Promise<ProcessEnd> {
    const { silenceMs, maxMemoryBytes } = this.options;
    const wrapper = await this.sandbox(folder);
    signal.throwIfAborted();
    const child = new LimitedProcess({
      command: this.command(inside),
      wrapper,
      cwd: folder,
      env: this.environment(inside),
      limits: { silenceMs, addressBytes: maxMemoryBytes, fileBytes: MAX_FILE_BYTES },
      watchesTree: true,
    });
    const cancel = (): void => child.kill();
    signal.addEventListener('abort', cancel, { once: true });
    const end = await child.ended;
    signal.removeEventListener('abort', cancel);
    signal.throwIfAborted();
    // The model did not cause these.
    if (end.reason === 'START' || end.reason === 'SILENCE')
      throw explainLoss(new ChildLost(end.reason, end.how, end.complaint), 'conversion');
    return end;
  }

  private command(inside: string): string[] {
    const { pythonPath = '', sandbox } = this.options;
    const packageDir = sandbox === 'bubblewrap' ? '/package' : PACKAGE_DIR;
    const start =
      `import sys; sys.path.insert(0, ${JSON.stringify(packageDir)}); from matih_ml.conversion.__main__ ` +
      'import main; main(sys.argv[1], sys.argv[2])';
    return [pythonPath, '-I', '-c', start, `${inside}/request.json`, `${inside}/result.json`];
  }

  /** A command that runs what follows it without the network and other files. */
  private async sandbox(folder: string): Promise<string[]> {
    if (this.options.sandbox === 'process') return [];
    this.prefixes ??= await interpreterFolders(this.options.pythonPath ?? '');
    return sandboxed({
      readable: this.prefixes,
      mounts: [
        { from: PACKAGE_DIR, to: '/package' },
        { from: folder, to: '/work', isWritable: true },
      ],
      cwd: '/work',
    });
  }

  private environment(inside: string): NodeJS.ProcessEnv {
    const threads = { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' };
    // PATH is needed to find bwrap; no other part of this process's environment is passed on.
    return {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      HOME: inside,
      TMPDIR: `${inside}/tmp`,
      PYTHONDONTWRITEBYTECODE: '1',
      ...threads,
    };
  }
}

/** A symbolic link in its folder could lead to another file. */
async function isPlainFile(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function readOutcome(path: string, { complaint, how }: ProcessEnd): Promise<ConversionOutcome> {
  const size = (await isPlainFile(path)) ? (await lstat(path)).size : 0;
  const reason = complaint.trim().split('\n').at(-1) || how;
  if (size === 0) return { state: 'FAILED', reason: `The conversion process ended without a result: ${reason}` };
  if (size > MAX_RESULT_BYTES)
    return { state: 'FAILED', reason: `The conversion process wrote a result of ${size} bytes.` };
  let result: unknown;
  try {
    result = JSON.parse(await readFile(path, 'utf8'));
  } catch {
    result = undefined;
  }
  const parsed = conversionOutcomeSchema.safeParse(result);
  return parsed.success
    ? parsed.data
    : { state: 'FAILED', reason: 'The conversion process wrote a result that is none.' };
}
