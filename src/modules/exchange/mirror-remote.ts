import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { MlflowRefusal, type MlflowMethod, type MlflowServer } from '../../adapters/mlflow-server/port.js';
import type { Database, Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import { Role } from '../core/index.js';
import type { TagEntry } from '../experiments/index.js';
import {
  claimTask,
  fenceTask,
  type MirrorKind,
  mirrorKey,
  type MirrorTask,
  postponeTask,
  renewTask,
} from './mirror-tasks.js';

/** The id of an object on the other server, and how much of it was sent. */
export interface MirrorRef<Synced> {
  externalId: string;
  synced: Partial<Synced>;
  /** The object may exist on the other server: its creation was requested, but no answer was received. */
  isPending: boolean;
  /** The object was imported from that server, so the other one is the original. */
  isOriginal: boolean;
}

const PENDING = 'pending:';
const SESSION_MS = 600_000;

/** Tags that identify a mirrored object. */
export const MIRROR_TAGS = {
  tenant: 'matih.tenant',
  experiment: 'matih.experimentId',
  run: 'matih.runId',
  model: 'matih.modelId',
  version: 'matih.modelVersionId',
};

/** Thrown when another worker is creating, on the other server, what an object needs. */
export class Busy extends Error {
  constructor(kind: MirrorKind, localId: string) {
    super(`Another worker mirrors ${kind} ${localId}, which is needed first.`);
    this.name = 'Busy';
  }
}

/**
 * The other server, for one mirrored object, and what this service knows about it. A worker that lost its lease stops.
 */
export class MirrorRemote {
  readonly tenant: string;
  /** The task of the object, and those of the objects that it needs while they are created. */
  private readonly held: MirrorTask[];

  constructor(
    private readonly db: Database,
    private readonly server: MlflowServer,
    private readonly address: string,
    task: MirrorTask,
  ) {
    this.tenant = task.tenant;
    this.held = [task];
  }

  async ask(method: MlflowMethod, path: string, given: Record<string, unknown>): Promise<unknown> {
    for (const task of this.held) await this.db.asSystem((em) => renewTask(em, task));
    return this.server.ask(method, `mlflow/${path}`, given);
  }

  /** Creates an object that this one needs; no other worker creates it at the same time. Errors: Busy. */
  async holding<T>(kind: MirrorKind, localId: string, work: () => Promise<T>): Promise<T> {
    if (this.leaseOf(kind, localId)) return work();
    const task = await this.db.asSystem((em) => claimTask(em, this.tenant, kind, localId));
    if (!task) throw new Busy(kind, localId);
    this.held.push(task);
    try {
      return await work();
    } finally {
      this.held.splice(this.held.indexOf(task), 1);
      // The rest of that task is done later, by whoever takes it.
      await this.db.asSystem((em) => postponeTask(em, task, 0, null, false));
    }
  }

  /** The answer, or null for this error code, which says that the object does not exist or exists already. */
  async unless(
    errorCode: string,
    method: MlflowMethod,
    path: string,
    given: Record<string, unknown>,
  ): Promise<unknown> {
    try {
      return await this.ask(method, path, given);
    } catch (error) {
      if (error instanceof MlflowRefusal && error.errorCode === errorCode) return null;
      throw error;
    }
  }

  transact<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const principal = {
      subject: 'mirror',
      tenant: this.tenant,
      role: Role.ADMIN,
      expiresAt: new Date(Date.now() + SESSION_MS),
    };
    return this.db.transact({ principal, requestId: uuidv7() }, work);
  }

  async ref<Synced>(session: Session, kind: MirrorKind, localId: string): Promise<MirrorRef<Synced> | null> {
    const [row] = await sql<{ server: string; externalId: string; synced: Partial<Synced> }>(
      session.em,
      `select server, external_id as "externalId", synced from external_ref
       where tenant = ? and kind = ? and local_id = ? and server in (?, ?) order by server limit 1`,
      [this.tenant, kind, localId, this.address, mirrorKey(this.address)],
    );
    return row
      ? {
          externalId: row.externalId,
          synced: row.synced,
          isPending: row.externalId.startsWith(PENDING),
          isOriginal: row.server === this.address,
        }
      : null;
  }

  /** Call before an object is created on the other server, so that the next attempt notices a crash. */
  reserve(kind: MirrorKind, localId: string): Promise<void> {
    return this.change(kind, localId, async (session) => {
      await sql(
        session.em,
        `insert into external_ref (id, tenant, server, kind, external_id, local_id) values (?, ?, ?, ?, ?, ?)
         on conflict (tenant, server, kind, local_id) do nothing`,
        [uuidv7(), this.tenant, mirrorKey(this.address), kind, `${PENDING}${localId}`, localId],
      );
    });
  }

  remember(kind: MirrorKind, localId: string, externalId: string, synced: object): Promise<void> {
    return this.change(kind, localId, async (session) => {
      await sql(
        session.em,
        'update external_ref set external_id = ?, synced = ? where tenant = ? and server = ? and kind = ? ' +
          'and local_id = ?',
        [...[externalId, JSON.stringify(synced), this.tenant, mirrorKey(this.address), kind, localId]],
      );
    });
  }

  /** Also forgets the model's versions, whose external ids begin with the model's. */
  forgetModel(id: string): Promise<void> {
    return this.change('MODEL', id, async (session) => {
      await sql(
        session.em,
        `delete from external_ref where tenant = ? and server = ? and ((kind = 'MODEL' and local_id = ?) or ` +
          `(kind = 'MODEL_VERSION' and starts_with(external_id, ?)))`,
        [this.tenant, mirrorKey(this.address), id, `${id}/`],
      );
    });
  }

  forget(kind: MirrorKind, localId: string): Promise<void> {
    return this.change(kind, localId, async (session) => {
      await sql(session.em, 'delete from external_ref where tenant = ? and server = ? and kind = ? and local_id = ?', [
        ...[this.tenant, mirrorKey(this.address), kind, localId],
      ]);
    });
  }

  private change(kind: MirrorKind, localId: string, work: (session: Session) => Promise<void>): Promise<void> {
    return this.transact(async (session) => {
      const task = this.leaseOf(kind, localId);
      if (!task) throw new Error(`${kind} ${localId} is changed without its lease.`);
      await fenceTask(session.em, task);
      await work(session);
    });
  }

  private leaseOf(kind: MirrorKind, localId: string): MirrorTask | undefined {
    return this.held.find((task) => task.kind === kind && task.localId === localId);
  }

  /** The object's own name; then, in case it is taken on the other server, a name that includes the tenant. */
  namesFor(name: string, id: string): string[] {
    return [name, `${name} (${this.tenant})`, `${name} (${this.tenant} ${id.slice(-12)})`];
  }
}

/** Hashes of tags when they were mirrored, which show the tags that have changed. */
export type TagPrints = Record<string, string>;

export function tagChanges(
  tags: Record<string, string>,
  before: TagPrints | undefined,
): { set: TagEntry[]; gone: string[]; prints: TagPrints } {
  const prints = Object.fromEntries(Object.entries(tags).map(([key, value]) => [key, printOf(value)]));
  const set = Object.entries(tags).flatMap(([key, value]) => (before?.[key] === prints[key] ? [] : [{ key, value }]));
  return { set, gone: Object.keys(before ?? {}).filter((key) => !Object.hasOwn(tags, key)), prints };
}

const printOf = (value: string) => createHash('sha256').update(value).digest('base64').slice(0, 12);
