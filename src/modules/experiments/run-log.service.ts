import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import { AppError, badInput, ErrorCode } from '../../errors.js';
import { type Sequenced, logsTopic } from '../platform/index.js';
import { checkLogLine, type LogStream, MAX_LINES_PER_RUN } from './rules/logged-values.js';
import { refuseWrite } from './run-pairs.js';

export interface LogLineInput {
  line: string;
  stream?: LogStream | null;
  loggedAt?: Date | null;
}

export interface LogLine extends Sequenced {
  runId: string;
  line: string;
  stream: LogStream;
  loggedAt: Date;
}

export const MAX_LINES_PER_CALL = 1_000;
export const LOG_LINE = 'run_id as "runId", seq::float8 as seq, logged_at as "loggedAt", stream, line';

/** What runs print, line by line, for those who watch and those who search later. */
export class RunLogService {
  constructor(private readonly live: LiveEvents) {}

  /** Appends lines and returns the sequence number of the last one. */
  async append(session: Session, runId: string, lines: LogLineInput[]): Promise<number> {
    if (lines.length === 0 || lines.length > MAX_LINES_PER_CALL) {
      throw badInput('input.lines', `1 to ${MAX_LINES_PER_CALL} lines`, lines.length);
    }
    lines.forEach(({ line }, i) => checkLogLine(`input.lines[${i}].line`, line));
    const now = new Date();
    // The run's row is locked first, so that sequence numbers commit in order.
    const [appended] = await sql<{ last: number }>(
      session.em,
      `with counter as (
         update run set last_log_seq = last_log_seq + ? where tenant = ? and id = ? and state = 'ACTIVE' returning id, last_log_seq),
       added as (
         insert into run_log (tenant, run_id, seq, logged_at, stream, line)
         select ?, counter.id, counter.last_log_seq - ? + n, l.logged_at, l.stream, l.line
         from counter, unnest(?::timestamptz[], ?::text[], ?::text[]) with ordinality as l(logged_at, stream, line, n))
       select last_log_seq::float8 as last from counter`,
      [
        ...[lines.length, session.tenant, runId, session.tenant, lines.length],
        ...[
          lines.map(({ loggedAt }) => loggedAt ?? now),
          lines.map(({ stream }) => stream ?? 'STDOUT'),
          lines.map(({ line }) => line),
        ],
      ],
    );
    if (!appended) return refuseWrite(session, runId);
    if (appended.last > MAX_LINES_PER_RUN) {
      throw new AppError(
        ErrorCode.RESOURCE_EXHAUSTED,
        `A run keeps at most ${MAX_LINES_PER_RUN} log lines; log a file as an artifact instead.`,
      );
    }
    session.afterCommit(() => this.live.publish(logsTopic(runId)));
    return appended.last;
  }

  /** Lines past a sequence number; -1 asks for the newest alone. */
  after(session: Session, runId: string, seq: number, limit: number): Promise<LogLine[]> {
    return sql<LogLine>(
      session.em,
      `select ${LOG_LINE} from run_log where tenant = ? and run_id = ? and seq > ? order by run_log.seq ` +
        `${seq < 0 ? 'desc' : 'asc'} limit ?`,
      [session.tenant, runId, seq, limit],
    );
  }
}
