import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { AppError, badInput, ErrorCode } from '../errors.js';
import type { ImportAnswer } from './import-child.js';
import type { ImportOutcome, ImportRequest } from './port.js';

/** New files that are read at once; others wait. */
const PROCESSES = 2;
const LONGEST_MS = 15 * 60_000;

const turns: Promise<unknown>[] = Array.from({ length: PROCESSES }, () => Promise.resolve());
let started = 0;

/**
 * `importDataset` in a process of its own: nobody has read the file before, and it may be made to end its reader.
 * Errors: as there, and RESOURCE_EXHAUSTED for a file that takes too long.
 */
export function importApart(request: ImportRequest): Promise<ImportOutcome> {
  const slot = started++ % PROCESSES;
  const outcome = turns[slot]!.then(() => perform(request));
  turns[slot] = outcome.catch(() => undefined);
  return outcome;
}

/** The compiled child, wherever this module runs from: beside it in dist, or src under a test runner. */
function childEntry(): string {
  const compiled = import.meta.url.endsWith('.ts') ? '../../dist/features/import-child.js' : './import-child.js';
  const entry = fileURLToPath(new URL(compiled, import.meta.url));
  if (!existsSync(entry)) throw new AppError(ErrorCode.INTERNAL, 'The dataset process is not built: run `npm run build`.');
  return entry;
}

function perform(request: ImportRequest): Promise<ImportOutcome> {
  const child = fork(childEntry(), [], {
    serialization: 'advanced',
    cwd: tmpdir(),
    env: {},
    execArgv: [],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS);
  return new Promise<ImportOutcome>((resolve, reject) => {
    let answer: ImportAnswer | undefined;
    child.on('message', (message: ImportAnswer) => {
      answer = message;
    });
    child.on('error', (error) => reject(new AppError(ErrorCode.UNAVAILABLE, 'The dataset process could not run.', {}, { cause: error })));
    child.on('close', (exitCode, killedBy) => {
      clearTimeout(timer);
      if (answer && 'outcome' in answer) resolve(answer.outcome);
      else if (answer && 'code' in answer) reject(new AppError(answer.code, answer.message, answer.details));
      else if (answer) reject(new Error(answer.unexpected));
      else if (killedBy === 'SIGKILL')
        reject(new AppError(ErrorCode.RESOURCE_EXHAUSTED, 'Reading this file takes too much time or memory.', { field: 'file' }));
      else reject(badInput('file', 'a file that can be read', `one that ended its reader (${killedBy ?? `exit code ${exitCode}`})`));
    });
    child.send(request);
  });
}
