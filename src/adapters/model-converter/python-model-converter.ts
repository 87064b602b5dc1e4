import { execFile, spawn } from 'node:child_process';
import { chmod, copyFile, cp, lstat, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type ConversionOutcome, conversionOutcomeSchema } from '../../modules/model-contract/index.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { ConversionRequest, ModelConverter } from './port.js';

export interface PythonConverterOptions {
  /** A Python interpreter with the extras of python/ installed; absent when not configured. */
  pythonPath?: string;
  sandbox: 'bubblewrap' | 'process';
  maxMemoryBytes: number;
}

const runToEnd = promisify(execFile);
const PACKAGE_DIR = fileURLToPath(new URL('../../../python/', import.meta.url));
const MAX_RESULT_BYTES = 1024 ** 2;
const MAX_FILE_BYTES = 4 * 1024 ** 3;
const COMPLAINT_CHARACTERS = 2_000;
const LOOK_MS = 10_000;
/** Folders of the system with libraries that an interpreter loads; read-only. */
const SYSTEM_FOLDERS = ['/usr', '/lib', '/lib64', '/bin', '/etc/ld.so.cache', '/etc/ssl/openssl.cnf'];

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
      const complaint = await this.run(folder, inside, signal);
      const outcome = await readOutcome(join(folder, 'result.json'), complaint);
      if (outcome.state !== 'CONVERTED' && outcome.state !== 'DISAGREES') return outcome;
      if (!(await isPlainFile(output)))
        return { state: 'FAILED', reason: 'The conversion process left no model.onnx.' };
      await copyFile(output, request.outputPath);
      return outcome;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Returns when the process has ended, with the last part of its stderr. */
  private async run(folder: string, inside: string, signal: AbortSignal): Promise<string> {
    const [command, ...args] = await this.commandLine(folder, inside);
    return new Promise((resolve, reject) => {
      // In its own process group, so that processes that it starts end with it.
      const child = spawn(command!, args, {
        cwd: folder,
        env: this.environment(inside),
        stdio: ['ignore', 'ignore', 'pipe'],
        detached: true,
      });
      let complaint = '';
      child.stderr
        .setEncoding('utf8')
        .on('data', (text: string) => (complaint = (complaint + text).slice(-COMPLAINT_CHARACTERS)));
      const end = (): void => {
        if (child.pid !== undefined)
          try {
            process.kill(-child.pid, 'SIGKILL');
          } catch {
            // The process has just ended.
          }
      };
      signal.addEventListener('abort', end, { once: true });
      if (signal.aborted) end();
      child.on('error', (cause) =>
        reject(new AppError(ErrorCode.UNAVAILABLE, 'The conversion process could not start.', {}, { cause })),
      );
      child.on('close', () => {
        signal.removeEventListener('abort', end);
        end();
        if (signal.aborted) reject(signal.reason);
        else resolve(complaint);
      });
    });
  }

  private async commandLine(folder: string, inside: string): Promise<string[]> {
    const { pythonPath = '', sandbox, maxMemoryBytes } = this.options;
    const packageDir = sandbox === 'bubblewrap' ? '/package' : PACKAGE_DIR;
    const limits =
      `ulimit -v ${Math.ceil(maxMemoryBytes / 1024)} && ulimit -f ${MAX_FILE_BYTES / 512} && ulimit -c 0 && ` +
      'exec "$@"';
    const start =
      `import sys; sys.path.insert(0, ${JSON.stringify(packageDir)}); from matih_ml.conversion.__main__ ` +
      'import main; main(sys.argv[1], sys.argv[2])';
    const python = [
      '/bin/sh',
      '-c',
      limits,
      'sh',
      pythonPath,
      '-I',
      '-c',
      start,
      `${inside}/request.json`,
      `${inside}/result.json`,
    ];
    if (sandbox === 'process') return python;
    const readable = [...SYSTEM_FOLDERS, ...(await this.interpreterFolders())].flatMap((path) => [
      '--ro-bind-try',
      path,
      path,
    ]);
    const own = ['--ro-bind', PACKAGE_DIR, '/package', '--bind', folder, '/work', '--chdir', '/work'];
    return [
      'bwrap',
      '--unshare-all',
      '--die-with-parent',
      '--new-session',
      ...readable,
      '--dev',
      '/dev',
      '--proc',
      '/proc',
      ...own,
      ...python,
    ];
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

  /** The folders of the interpreter and its packages. */
  private async interpreterFolders(): Promise<string[]> {
    const script =
      'import json, os, sys; print(json.dumps([sys.prefix, sys.base_prefix, ' +
      'os.path.dirname(os.path.realpath(sys.executable))]))';
    if (!this.prefixes) {
      const { stdout } = await runToEnd(this.options.pythonPath ?? '', ['-I', '-c', script], { timeout: LOOK_MS });
      this.prefixes = JSON.parse(stdout) as string[];
    }
    return this.prefixes;
  }
}

async function runs(command: string, args: string[]): Promise<boolean> {
  return runToEnd(command, args, { timeout: LOOK_MS }).then(
    () => true,
    () => false,
  );
}

/** A symbolic link in its folder could lead to another file. */
async function isPlainFile(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function readOutcome(path: string, complaint: string): Promise<ConversionOutcome> {
  const size = (await isPlainFile(path)) ? (await lstat(path)).size : 0;
  const reason = complaint.trim().split('\n').at(-1) || 'it said nothing';
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
