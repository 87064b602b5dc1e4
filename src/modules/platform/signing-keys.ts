import { setTimeout as sleep } from 'node:timers/promises';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { OwnTokenCodec, SigningKey } from '../../adapters/auth/port.js';
import type { Database } from '../../db/database.js';
import { sql } from '../../db/sql.js';

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
    private readonly codec: OwnTokenCodec,
  ) {}

  /** The current signing key; created when it does not exist. */
  async newest(): Promise<SigningKey> {
    const fresh = await this.codec.newKey();
    return this.db.asSystem(async (em) => {
      await sql(em, `select pg_advisory_xact_lock(hashtext('matih.signing-key'))`);
      return (await readKeys(em))[0] ?? addKey(em, fresh);
    });
  }

  /** Signs with a new key from now on. Tokens of older keys stay valid, unless these keys are removed. */
  async rotate({ giveUpOthers }: { giveUpOthers: boolean }): Promise<SigningKey> {
    const fresh = await this.codec.newKey();
    return this.db.asSystem(async (em) => {
      if (giveUpOthers) await sql(em, 'delete from signing_key');
      return addKey(em, fresh);
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

function readKeys(em: EntityManager): Promise<SigningKey[]> {
  return sql<SigningKey>(em, 'select id, secret from signing_key order by created_at desc, id');
}

async function addKey(em: EntityManager, key: SigningKey): Promise<SigningKey> {
  await sql(em, 'insert into signing_key (id, secret) values (?, ?)', [key.id, key.secret]);
  return key;
}
