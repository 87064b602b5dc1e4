import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { AppError, badInput, ErrorCode } from '../../errors.js';
import { FairTurns } from './fair-turns.js';
import type { ImportOutcome, ImportRequest, PreviewValue, Table } from './port.js';
import type { ReaderAnswer, ReaderRequest } from './reader-child.js';

/** New files that are read at once, and those of one tenant among them; others wait. */
const PROCESSES = 3;
const PROCESSES_PER_OWNER = 2;
const LONGEST_IMPORT_MS = 15 * 60_000;
const LONGEST_PREVIEW_MS = 60_000;
/** A process for previews stays for so long: a list of datasets asks for many. */
const IDLE_MS = 20_000;
const MAX_HEAP_MIB = 2_048;

const imports = new FairTurns(PROCESSES, PROCESSES_PER_OWNER);
const previews = new FairTurns(1, 1);
let previewer: ReaderProcess | undefined;

/**
 * `importDataset` in a process of its own: nobody has read the file before, and it may be made to end its reader.
 * Errors: as there, and RESOURCE_EXHAUSTED for a file that takes too long.
 */
export function importApart(request: ImportRequest): Promise<ImportOutcome> {
  return imports.run(request.owner ?? '', async () => {
    const reader = new ReaderProcess();
    try {
      return (await reader.ask({ kind: 'IMPORT', request }, LONGEST_IMPORT_MS)) as ImportOutcome;
    } finally {
      reader.end();
    }
  });
}

/** `preview` in a process of its own: a few bytes of Parquet may be gigabytes of text. */
export function previewApart(table: Table, limit: number): Promise<Record<string, PreviewValue>[]> {
  return previews.run('', async () => {
    if (!previewer?.isAlive) previewer = new ReaderProcess();
    const reader = previewer;
    try {
      return (await reader.ask({ kind: 'PREVIEW', table, limit }, LONGEST_PREVIEW_MS)) as Record<
        string,
        PreviewValue
      >[];
    } finally {
      reader.endAfter(IDLE_MS);
    }
  });
}

/** The compiled child, wherever this module runs from: beside it in dist, or src under a test runner. */
function childEntry(): string {
  const compiled = import.meta.url.endsWith('.ts')
    ? '../../../dist/adapters/dataset-files/reader-child.js'
    : './reader-child.js';
  const entry = fileURLToPath(new URL(compiled, import.meta.url));
  if (!existsSync(entry))
    throw new AppError(ErrorCode.INTERNAL, 'The dataset process is not built: run `node scripts/prepare.mjs`.');
  return entry;
}

/** Asked one thing at a time. */
class ReaderProcess {
  private readonly child: ChildProcess;
  private idle: NodeJS.Timeout | undefined;
  isAlive = true;

  constructor() {
    this.child = fork(childEntry(), [], {
      serialization: 'advanced',
      cwd: tmpdir(),
      env: {},
      execArgv: [`--max-old-space-size=${MAX_HEAP_MIB}`],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.child.on('close', () => {
      this.isAlive = false;
    });
  }

  async ask(request: ReaderRequest, longestMs: number): Promise<unknown> {
    clearTimeout(this.idle);
    const { child } = this;
    const timer = setTimeout(() => child.kill('SIGKILL'), longestMs);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const onMessage = (answer: ReaderAnswer): void => {
      if ('value' in answer) resolve(answer.value);
      else if ('code' in answer) reject(new AppError(answer.code, answer.message, answer.details));
      else reject(new Error(answer.unexpected));
    };
    const onError = (error: Error): void =>
      reject(new AppError(ErrorCode.UNAVAILABLE, 'The dataset process could not run.', {}, { cause: error }));
    const onClose = (exitCode: number | null, killedBy: string | null): void => {
      if (killedBy === 'SIGKILL')
        reject(
          new AppError(ErrorCode.RESOURCE_EXHAUSTED, 'Reading this file takes too much time or memory.', {
            field: 'file',
          }),
        );
      else
        reject(
          badInput(
            'file',
            'a file that can be read',
            `one that ended its reader (${killedBy ?? `exit code ${exitCode}`})`,
          ),
        );
    };
    child.on('message', onMessage).on('error', onError).on('close', onClose);
    try {
      child.send(request, (error) => error && onError(error));
      return await promise;
    } finally {
      clearTimeout(timer);
      child.off('message', onMessage).off('error', onError).off('close', onClose);
    }
  }

  end(): void {
    this.isAlive = false;
    if (this.child.connected) this.child.disconnect();
  }

  endAfter(ms: number): void {
    this.idle = setTimeout(() => this.end(), ms).unref();
  }
}
