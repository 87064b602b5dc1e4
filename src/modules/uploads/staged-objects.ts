import type { Logger } from 'pino';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { AppError, ErrorCode } from '../../errors.js';
import { isSmallKey } from './small-objects.js';
import { deleteContent } from './stores/small-objects.js';
import {
  makeYounger,
  oldKeys,
  stageKey,
  stageKeys,
  stagedUnder,
  unstage,
  unstageOld,
} from './stores/staged-objects.js';

/** Longer than storing any file may take. */
const SWEPT_AFTER_MS = 24 * 60 * 60 * 1000;
const SWEEP_BATCH = 100;
/** A failed removal is retried after this time, and after the removal of keys that became old meanwhile. */
const RETRY_AFTER_MS = 60 * 60 * 1000;
/** A sweep stops after this many failures, until its next turn. */
const MAX_REFUSED = 10;
const DISCARDED_AT_ONCE = 8;

/**
 * Keys of the object store that no row names yet, or no longer names. Call `stage` before a file is stored, and
 * `settle` in the transaction of the row that names it. The sweeper removes what a crash leaves in between.
 */
export class StagedObjects {
  private stopped = false;

  constructor(
    private readonly db: Database,
    private readonly objects: ObjectStore,
    private readonly logger: Logger,
  ) {}

  /** False when the key was staged before: by somebody else, or by an earlier attempt of the same work. */
  async stage(session: Session, key: string): Promise<boolean> {
    return stageKey(session, key);
  }

  /**
   * Stages a new key in its own transaction, which does not wait for the disk: the next transaction that waits writes
   * it too. A power cut in between can lose only this entry, so that a file that nothing names keeps its space.
   */
  async stageUnflushed(actor: Actor, key: string): Promise<void> {
    await this.db.sendUnflushed(actor, {
      name: 'stage',
      text: 'insert into staged_object (tenant, object_key) values (?, ?)',
      params: [actor.principal.tenant, key],
    });
  }

  /** The staged keys of the tenant with this prefix. */
  keysUnder(session: Session, prefix: string): Promise<string[]> {
    return stagedUnder(session, prefix);
  }

  /** UNAVAILABLE when the sweeper has already removed the file. */
  async settle(session: Session, keys: string[]): Promise<void> {
    if ((await unstage(session, keys)) < keys.length)
      throw new AppError(ErrorCode.UNAVAILABLE, 'Storing the file took too long; try again.');
  }

  /**
   * Call in the transaction that removes the last row that names these files. After the commit, the caller discards
   * them or the sweeper does: the sweeper takes those that are `left` to it in its next turn, others after a day.
   */
  async stageAll(session: Session, keys: string[], left = false): Promise<void> {
    if (keys.length === 0) return;
    await stageKeys(session, [...new Set(keys)].sort(), left ? SWEPT_AFTER_MS : 0);
  }

  /** Call in the transaction that removes the last row that names these files; they are removed after its commit. */
  async release(session: Session, keys: string[]): Promise<void> {
    await this.stageAll(session, keys);
    session.afterCommit(() => void this.discardAll(keys));
  }

  /** A few at the same time: a folder may have thousands. */
  async discardAll(keys: readonly string[]): Promise<void> {
    for (let from = 0; from < keys.length; from += DISCARDED_AT_ONCE) {
      await Promise.all(keys.slice(from, from + DISCARDED_AT_ONCE).map((key) => this.discard(key)));
    }
  }

  /**
   * Removes a file that is still staged, after the transaction that stored it failed. If this fails, the sweeper
   * removes it.
   */
  async discard(key: string): Promise<void> {
    try {
      await this.remove(key, 0);
    } catch (error) {
      this.logger.warn({ err: error, key }, 'stored file not removed yet');
    }
  }

  /** Removes files that were staged long ago and never settled. */
  async sweep(): Promise<number> {
    let refused = 0;
    for (let swept = 0; ;) {
      const old = await this.db.asSystem((em) => oldKeys(em, SWEPT_AFTER_MS, SWEEP_BATCH));
      for (const key of old) {
        if (this.stopped) return swept;
        try {
          await this.remove(key, SWEPT_AFTER_MS);
          swept++;
        } catch (error) {
          this.logger.warn({ err: error, key }, 'stored file not swept yet');
          await this.postpone(key);
          if (++refused === MAX_REFUSED) return swept;
        }
      }
      if (old.length < SWEEP_BATCH) return swept;
    }
  }

  /** Stops a sweep after its current file: there may be very many, and the next start continues. */
  stop(): void {
    this.stopped = true;
  }

  private async postpone(key: string): Promise<void> {
    await this.db.asSystem((em) => makeYounger(em, key, SWEPT_AFTER_MS, SWEPT_AFTER_MS - RETRY_AFTER_MS));
  }

  /** Nothing happens to a key that a row names by now: a commit has settled it, although its answer was lost. */
  private async remove(key: string, olderThanMs: number): Promise<void> {
    await this.db.asSystem(async (em) => {
      // Row and file are removed together: after a failure here the row stays for the sweeper.
      if (!(await unstageOld(em, key, olderThanMs))) return;
      if (isSmallKey(key)) await deleteContent(em, key);
      else await this.objects.delete(key);
    });
  }
}
