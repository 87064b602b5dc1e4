import type { Logger } from 'pino';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import type { Database, Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';

/** Stored files whose rows are gone: planned in the transaction that removes the rows, removed after it, and again by the sweeper after a crash. */
export class ObjectDeletionService {
  private removing: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly db: Database,
    private readonly objects: ObjectStore,
    private readonly logger: Logger,
  ) {}

  /** Everything below `prefix`, which ends with a slash. */
  async plan(session: Session, prefix: string): Promise<void> {
    await sql(session.em, 'insert into object_deletion (tenant, prefix) values (?, ?) on conflict do nothing', [session.tenant, prefix]);
    session.afterCommit(() => {
      this.removing = this.removing
        .then(() => this.sweep())
        .catch((error: unknown) => this.logger.warn({ err: error }, 'files not removed yet'));
    });
  }

  /** Before files are stored below `prefix` once more: waits for a removal under way and calls off one that is planned. */
  async callOff(session: Session, prefix: string): Promise<void> {
    await sql(session.em, 'delete from object_deletion where tenant = ? and prefix = ?', [session.tenant, prefix]);
  }

  async sweep(): Promise<number> {
    return this.db.asSystem(async (em) => {
      const planned = await sql<{ tenant: string; prefix: string }>(
        em,
        'select tenant, prefix from object_deletion order by created_at limit 100 for update skip locked',
      );
      for (const { tenant, prefix } of planned) {
        for await (const key of this.objects.list(prefix)) if (key.startsWith(prefix)) await this.objects.delete(key);
        await sql(em, 'delete from object_deletion where tenant = ? and prefix = ?', [tenant, prefix]);
      }
      return planned.length;
    });
  }

  idle(): Promise<unknown> {
    return this.removing;
  }
}
