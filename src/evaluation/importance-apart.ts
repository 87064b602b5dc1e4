import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { ImportanceRequest, ParameterImportance } from '../domain/tracking/parameter-importance.js';
import { AppError, ErrorCode } from '../errors.js';
import type { ImportanceAnswer } from './importance-child.js';
import type { ImportanceAnalyst } from './port.js';

/** One at a time, which leaves the other cores to predictions; others wait, up to so many. */
const MAX_WAITING = 32;
const LONGEST_MS = 60_000;
const MAX_HEAP_MIB = 512;

/** Each analysis in a thread of its own: it is plain computation, which a thread can be ended in without harm. */
export class ImportanceApart implements ImportanceAnalyst {
  private turn: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  async importance(request: ImportanceRequest): Promise<ParameterImportance> {
    if (this.waiting >= MAX_WAITING)
      throw new AppError(ErrorCode.RESOURCE_EXHAUSTED, 'Too many analyses wait already: try again in some seconds.');
    this.waiting++;
    const answer = this.turn.then(() => perform(request)).finally(() => this.waiting--);
    this.turn = answer.catch(() => undefined);
    const found = await answer;
    if ('outcome' in found) return found.outcome;
    throw new AppError(found.code, found.message, found.details);
  }
}

/** The compiled thread, wherever this module runs from: beside it in dist, or src under a test runner. */
function threadEntry(): string {
  const compiled = import.meta.url.endsWith('.ts') ? '../../dist/evaluation/importance-child.js' : './importance-child.js';
  const entry = fileURLToPath(new URL(compiled, import.meta.url));
  if (!existsSync(entry)) throw new AppError(ErrorCode.INTERNAL, 'The analysis thread is not built: run `npm run build`.');
  return entry;
}

function perform(request: ImportanceRequest): Promise<ImportanceAnswer> {
  const worker = new Worker(threadEntry(), {
    workerData: request,
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB },
  });
  const timer = setTimeout(() => void worker.terminate(), LONGEST_MS);
  return new Promise<ImportanceAnswer>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', (error) => reject(new AppError(ErrorCode.UNAVAILABLE, 'The analysis could not run.', {}, { cause: error })));
    // After a message or an error this changes nothing.
    worker.once('exit', () =>
      reject(new AppError(ErrorCode.RESOURCE_EXHAUSTED, 'The analysis takes too long: choose fewer runs or parameters.')),
    );
  }).finally(() => clearTimeout(timer));
}
