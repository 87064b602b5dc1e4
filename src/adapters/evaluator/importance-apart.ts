import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { ImportanceRequest, ParameterImportance } from '../../modules/statistics/index.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { ImportanceAnswer } from './importance-child.js';
import type { ImportanceAnalyst } from './port.js';

/** One at a time, which leaves the other cores to predictions; others wait, up to so many. */
const MAX_WAITING = 32;
const LONGEST_MS = 60_000;
const MAX_HEAP_MIB = 512;

/** Each analysis in a process of its own: a forest can take seconds, in which requests would have no answer. */
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
    if ('code' in found) throw new AppError(found.code, found.message, found.details);
    throw new Error(found.unexpected);
  }
}

/** The compiled child, wherever this module runs from: beside it in dist, or src under a test runner. */
function childEntry(): string {
  const compiled = import.meta.url.endsWith('.ts')
    ? '../../../dist/adapters/evaluator/importance-child.js'
    : './importance-child.js';
  const entry = fileURLToPath(new URL(compiled, import.meta.url));
  if (!existsSync(entry))
    throw new AppError(ErrorCode.INTERNAL, 'The analysis process is not built: run `node scripts/prepare.mjs`.');
  return entry;
}

function perform(request: ImportanceRequest): Promise<ImportanceAnswer> {
  const child = fork(childEntry(), [], {
    serialization: 'advanced',
    cwd: tmpdir(),
    env: {},
    execArgv: [`--max-old-space-size=${MAX_HEAP_MIB}`],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS);
  return new Promise<ImportanceAnswer>((resolve, reject) => {
    child.on('message', resolve);
    child.on('error', (error) =>
      reject(new AppError(ErrorCode.UNAVAILABLE, 'The analysis could not run.', {}, { cause: error })),
    );
    // After an answer or an error this changes nothing.
    child.on('close', () =>
      reject(
        new AppError(
          ErrorCode.RESOURCE_EXHAUSTED,
          'The analysis takes too much time or memory: choose fewer runs or parameters.',
        ),
      ),
    );
    child.send(request, (error) => error && child.kill('SIGKILL'));
  }).finally(() => clearTimeout(timer));
}
