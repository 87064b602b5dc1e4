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
 * Makes loaders: the reads of one turn become one statement for each loader, all in one transaction, and what a request
 * has read it reads once.
 */
export class Batches {
  private waiting: Read[] = [];

  constructor(private readonly run: RunInSession) {}

  /** By what a function reads for many keys at once, in their order. */
  of<Key, Value>(read: (session: Session, keys: readonly Key[]) => Promise<Value[]>): DataLoader<Key, Value, string> {
    return new DataLoader((keys) => this.read((session) => read(session, keys)), {
      cacheKeyFn: (key) => JSON.stringify(key),
    });
  }

  /** Rows of an entity; null where there is none. */
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

  /** Rows by the owner that each has, in the order in which `read` gives those of many owners. */
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
    // All loaders of a turn send their batches before the next microtask.
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
      // One that fails ends the transaction of all: each by itself.
      for (const { read, resolve, reject } of reads) void this.run(read).then(resolve, reject);
    }
  }
}
