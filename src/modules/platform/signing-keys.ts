import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceTokenCodec, SigningKey } from '../../adapters/auth/port.js';
import type { Database } from '../../db/database.js';
import { holdLock } from '../../db/lock.js';
import { addKey, deleteKeys, readKeys } from './stores/signing-keys.js';

/** Tokens with unknown keys are mostly forged. All together cause at most one query in this time. */
const LOOK_PAUSE_MS = 1_000;

/** The keys that sign the tokens of this service. They are in the database, so that every process has the same keys. */
export class SigningKeys {
  private known = new Map<string, SigningKey>();
  private lookedAt = -Infinity;
  private looking: Promise<void> | null = null;
  private loading: Promise<void> | null = null;

  constructor(
    private readonly db: Database,
    private readonly codec: ServiceTokenCodec,
  ) {}

  /** The current signing key; created when it does not exist. */
  async newest(): Promise<SigningKey> {
    const fresh = await this.codec.newKey();
    return this.db.asSystem(async (em) => {
      await holdLock(em, 'matih.signing-key');
      const [newest] = await readKeys(em);
      if (newest) return newest;
      await addKey(em, fresh);
      return fresh;
    });
  }

  /** Signs with a new key from now on. Tokens of older keys stay valid, unless these keys are removed. */
  async rotate({ giveUpOthers }: { giveUpOthers: boolean }): Promise<SigningKey> {
    const fresh = await this.codec.newKey();
    return this.db.asSystem(async (em) => {
      if (giveUpOthers) await deleteKeys(em);
      await addKey(em, fresh);
      return fresh;
    });
  }

  /** As of the last reading. */
  isKnown(id: string): boolean {
    return this.known.has(id);
  }

  async find(id: string): Promise<SigningKey | null> {
    if (!this.isKnown(id)) await this.look();
    return this.known.get(id) ?? null;
  }

  /** Reads the keys again; removed keys are then no longer known. */
  load(): Promise<void> {
    this.loading ??= this.db
      .asSystem(readKeys)
      .then((keys) => {
        this.known = new Map(keys.map((key) => [key.id, key]));
      })
      .finally(() => {
        this.loading = null;
      });
    return this.loading;
  }

  private look(): Promise<void> {
    const waitMs = this.lookedAt + LOOK_PAUSE_MS - performance.now();
    this.looking ??= (waitMs > 0 ? sleep(waitMs) : Promise.resolve())
      .then(() => {
        this.lookedAt = performance.now();
        return this.load();
      })
      .finally(() => {
        this.looking = null;
      });
    return this.looking;
  }
}
