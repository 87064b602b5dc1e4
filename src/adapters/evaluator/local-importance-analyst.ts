import { askOnce, ChildLost, explainLoss } from '../../child-task/child-task.js';
import type { EndReason, ProcessLimits } from '../../child-task/limited-process.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { ImportanceRequest, ParameterImportance } from '../../modules/statistics/index.js';
import type { ImportanceAnalyst } from './port.js';
import { IMPORTANCE_PROGRAM } from './programs.js';

/** One analysis at a time, so that the other cores serve predictions; at most this many others wait. */
const MAX_WAITING = 32;
const LONGEST_MS = 60_000;
const MAX_HEAP_MIB = 512;
const TOO_MUCH: readonly EndReason[] = ['MEMORY', 'CPU', 'TIME'];

/** Each analysis runs in a child process: a forest can take seconds, in which requests would get no answer. */
export class LocalImportanceAnalyst implements ImportanceAnalyst {
  private turn: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  constructor(private readonly limits: ProcessLimits) {}

  async importance(request: ImportanceRequest): Promise<ParameterImportance> {
    if (this.waiting >= MAX_WAITING)
      throw new AppError(ErrorCode.RESOURCE_EXHAUSTED, 'Too many analyses wait already: try again in some seconds.');
    this.waiting++;
    const answer = this.turn.then(() => this.perform(request)).finally(() => this.waiting--);
    this.turn = answer.catch(() => undefined);
    return answer;
  }

  private async perform(request: ImportanceRequest): Promise<ParameterImportance> {
    try {
      const options = { limits: this.limits, maxHeapMib: MAX_HEAP_MIB };
      return await askOnce(IMPORTANCE_PROGRAM, options, request, { timeLimitMs: LONGEST_MS });
    } catch (error) {
      if (error instanceof ChildLost && TOO_MUCH.includes(error.reason))
        throw new AppError(
          ErrorCode.RESOURCE_EXHAUSTED,
          'The analysis takes too much time or memory: choose fewer runs or parameters.',
          {},
          { cause: error },
        );
      throw explainLoss(error, IMPORTANCE_PROGRAM.name);
    }
  }
}
