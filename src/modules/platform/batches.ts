import type { EntityName, FilterQuery } from '@mikro-orm/core';
import DataLoader from 'dataloader';
import type { Session } from '../../db/database.js';

export type RunInSession = <T>(work: (session: Session) => Promise<T>) => Promise<T>;

interface Read {
  read(session: Session): Promise<unknown>;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/**
 * Makes loaders. All reads of one turn of the event loop become one statement per loader, in one transaction; a request
 * reads the same object only once.
 */
export class Batches {
  private waiting: Read[] = [];

  constructor(private readonly run: RunInSession) {}

  /** A loader for a function that reads many keys at once and returns the values in the order of the keys. */
  of<Key, Value>(read: (session: Session, keys: readonly Key[]) => Promise<Value[]>): DataLoader<Key, Value, string> {
    return new DataLoader((keys) => this.read((session) => read(session, keys)), {
      cacheKeyFn: (key) => JSON.stringify(key),
    });
  }

  /** A loader for rows of an entity by id; null when the row does not exist. */
  byId<T extends { id: string; tenant: string }>(entity: EntityName<T>): DataLoader<string, T | null> {
    return new DataLoader((ids) =>
      this.read(async (session) => {
        const rows = (await session.em.find(entity, {
          id: { $in: [...ids] },
          tenant: session.tenant,
        } as unknown as FilterQuery<T>)) as T[];
        const found = new Map(rows.map((row) => [row.id, row]));
        return ids.map((id) => found.get(id) ?? null);
      }),
    );
  }

  /** A loader for rows by their owner, in the order in which `read` returns them. */
  grouped<Row extends { ownerId: string }>(
    read: (session: Session, ownerIds: readonly string[]) => Promise<Row[]>,
  ): DataLoader<string, Row[]> {
    return new DataLoader((ids) =>
      this.read(async (session) => {
        const groups = Map.groupBy(await read(session, ids), ({ ownerId }) => ownerId);
        return ids.map((id) => groups.get(id) ?? []);
      }),
    );
  }

  private read<T>(read: (session: Session) => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.waiting.push({ read, resolve: resolve as Read['resolve'], reject });
    // All loaders of a turn of the event loop have put their reads into `waiting` when the microtask runs.
    if (this.waiting.length === 1) queueMicrotask(() => void this.readAll());
    return promise;
  }

  private async readAll(): Promise<void> {
    const reads = this.waiting;
    this.waiting = [];
    try {
      const values = await this.run(async (session) => {
        const found: unknown[] = [];
        for (const { read } of reads) found.push(await read(session));
        return found;
      });
      reads.forEach(({ resolve }, i) => resolve(values[i]));
    } catch (error) {
      const [only, ...others] = reads;
      if (only && others.length === 0) return only.reject(error);
      // One failure ends the transaction of all, so each read is repeated by itself.
      for (const { read, resolve, reject } of reads) void this.run(read).then(resolve, reject);
    }
  }
}
