import type { EntityManager } from '@mikro-orm/postgresql';
import type { Database } from '../../db/database.js';
import { deleteOldEvents } from './stores/events.js';
import { deleteOldAuditEntries, deleteEndedTokens } from './stores/logs.js';

/** The retention of one log. */
export interface Retention {
  /** How long its rows are kept; 0 means for ever. */
  days: number;
  /** Removes the oldest rows from before a time, at most `limit`. True when there may be more. */
  deleteBatch(em: EntityManager, before: Date, limit: number): Promise<boolean>;
}

/** Rows that one transaction removes, so that its locks are short. */
const BATCH = 1_000;
const BATCHES_AT_ONCE = 20;
/** How long an access token is listed after its end; the audit log keeps it longer. */
const ENDED_TOKEN_DAYS = 90;
const DAY_MS = 24 * 60 * 60 * 1000;

/** Deletes old rows of the logs, a limited number at a time, in the background. */
export class RetentionService {
  private readonly logs: Retention[];

  constructor(
    private readonly db: Database,
    { eventDays, auditDays }: { eventDays: number; auditDays: number },
  ) {
    this.logs = [
      retentionOf(eventDays, deleteOldEvents),
      retentionOf(auditDays, deleteOldAuditEntries),
      retentionOf(ENDED_TOKEN_DAYS, deleteEndedTokens),
    ];
  }

  /** Adds a log of the module that calls it. */
  add(log: Retention): void {
    this.logs.push(log);
  }

  async prune(): Promise<void> {
    for (const log of this.logs) if (log.days > 0) await this.pruneLog(log);
  }

  private async pruneLog({ days, deleteBatch }: Retention): Promise<void> {
    const before = new Date(Date.now() - days * DAY_MS);
    for (let i = 0; i < BATCHES_AT_ONCE; i++)
      if (!(await this.db.asSystem((em) => deleteBatch(em, before, BATCH)))) return;
  }
}

/** The retention of a log from a function that counts what it removes. */
export function retentionOf(
  days: number,
  remove: (em: EntityManager, before: Date, limit: number) => Promise<number>,
): Retention {
  return { days, deleteBatch: async (em, before, limit) => (await remove(em, before, limit)) === limit };
}
