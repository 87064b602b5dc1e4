import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Session } from '../../db/database.js';
import { AppError, ErrorCode } from '../../errors.js';
import { logsTopic } from '../platform/index.js';
import { checkLogLine, type LogStream, MAX_LINES_PER_RUN } from './rules/logged-values.js';
import { refuseWrite } from './run-pairs.js';
import { appendLines, linesAfter, type LogLine } from './stores/logs.js';
import type { InputRange } from '../core/index.js';

export interface LogLineInput {
  line: string;
  stream?: LogStream | null;
  loggedAt?: Date | null;
}

export const LINES_PER_CALL = { min: 1, max: 1_000, unit: 'lines' } satisfies InputRange;

/** The lines that runs print, for followers and for searches. */
export class RunLogService {
  constructor(private readonly live: LiveEvents) {}

  /** Appends lines and returns the sequence number of the last one. */
  async append(session: Session, runId: string, lines: LogLineInput[]): Promise<number> {
    lines.forEach(({ line }, i) => checkLogLine(`input.lines[${i}].line`, line));
    const now = new Date();
    const last = await appendLines(
      session,
      runId,
      lines.map(({ line, stream, loggedAt }) => ({ line, stream: stream ?? 'STDOUT', loggedAt: loggedAt ?? now })),
    );
    if (last === null) return refuseWrite(session, runId);
    if (last > MAX_LINES_PER_RUN) {
      throw new AppError(
        ErrorCode.RESOURCE_EXHAUSTED,
        `A run keeps at most ${MAX_LINES_PER_RUN} log lines; log a file as an artifact instead.`,
      );
    }
    session.afterCommit(() => this.live.publish(logsTopic(runId)));
    return last;
  }

  /** Lines after a sequence number; -1 asks for the newest only. */
  after(session: Session, runId: string, seq: number, limit: number): Promise<LogLine[]> {
    return linesAfter(session, runId, seq, limit, seq < 0 ? 'desc' : 'asc');
  }
}
