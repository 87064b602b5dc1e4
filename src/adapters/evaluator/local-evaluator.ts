import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppError, ErrorCode } from '../../errors.js';
import type { Answer, Work } from './messages.js';
import type { EvaluationOutcome, EvaluationRequest, ModelEvaluator, ProbeOutcome, ProbeRequest } from './port.js';

const COMPLAINT_CHARACTERS = 4000;

/** The compiled child, wherever this module runs from: beside it in dist, or src under a test runner. */
function childEntry(): string {
  const compiled = import.meta.url.endsWith('.ts')
    ? '../../../dist/adapters/evaluator/evaluation-child.js'
    : './evaluation-child.js';
  const entry = fileURLToPath(new URL(compiled, import.meta.url));
  if (!existsSync(entry))
    throw new AppError(ErrorCode.INTERNAL, 'The evaluation process is not built: run `node scripts/prepare.mjs`.');
  return entry;
}

/** Evaluates on this machine, each time in a process of its own. */
export class LocalEvaluator implements ModelEvaluator {
  async evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<EvaluationOutcome> {
    const answer = await perform({ kind: 'EVALUATE', request }, signal);
    if (answer.kind !== 'EVALUATED') throw unexpected(answer);
    return answer.outcome;
  }

  async probe(request: ProbeRequest, signal: AbortSignal): Promise<ProbeOutcome> {
    const answer = await perform({ kind: 'PROBE', request }, signal);
    if (answer.kind !== 'PROBED') throw unexpected(answer);
    return answer.outcome;
  }
}

function unexpected(answer: Answer): Error {
  if (answer.kind === 'FAILED')
    return new AppError(answer.code, answer.message, answer.details, { cause: answer.stack });
  return new Error(`The evaluation process answered ${answer.kind}.`);
}

async function perform(work: Work, signal: AbortSignal): Promise<Answer> {
  signal.throwIfAborted();
  const folder = await mkdtemp(join(tmpdir(), 'matih-evaluation-'));
  try {
    return await answerOf(work, folder, signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function answerOf(work: Work, folder: string, signal: AbortSignal): Promise<Answer> {
  // An evaluation needs no setting and no secret of the service; its temporary files go with the folder, even when it
  // is killed.
  const child = fork(childEntry(), [], {
    serialization: 'advanced',
    cwd: folder,
    env: { TMPDIR: folder },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let complaint = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-COMPLAINT_CHARACTERS);
  });
  const end = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', end, { once: true });
  // It may have been aborted while the folder was made, which nobody would tell.
  if (signal.aborted) end();
  return new Promise<Answer>((resolve, reject) => {
    let answer: Answer | undefined;
    child.on('message', (message: Answer) => {
      answer = message;
    });
    child.on('error', (error) =>
      reject(new AppError(ErrorCode.UNAVAILABLE, 'The evaluation process could not run.', {}, { cause: error })),
    );
    child.on('close', (exitCode, killedBy) => {
      if (signal.aborted) reject(signal.reason);
      else if (answer) resolve(answer);
      else {
        const how = killedBy ? `signal ${killedBy}` : `exit code ${exitCode}`;
        reject(
          new AppError(
            ErrorCode.UNAVAILABLE,
            `The evaluation process ended by ${how}.`,
            { got: how },
            { cause: complaint },
          ),
        );
      }
    });
    if (child.connected) child.send(work, (error) => error && end());
  }).finally(() => signal.removeEventListener('abort', end));
}
