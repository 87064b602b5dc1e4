import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { MlflowRefusal, type MlflowMethod, type MlflowServer } from '../../adapters/mlflow-server/port.js';
import type { Database, Session } from '../../db/database.js';
import { Role } from '../core/index.js';
import type { TagEntry } from '../experiments/index.js';
import {
  deleteMirrorRef,
  deleteModelRefs,
  findMirrorRef,
  type MirrorRef,
  reserveMirrorRef,
  setMirrorRef,
} from './stores/mirror-refs.js';
import {
  claimTask,
  fenceTask,
  type LeasedTask,
  type MirrorKind,
  postponeTask,
  renewTask,
} from './stores/mirror-tasks.js';

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
  private readonly held: LeasedTask[];

  constructor(
    private readonly db: Database,
    private readonly server: MlflowServer,
    private readonly address: string,
    task: LeasedTask,
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

  ref<Synced>(session: Session, kind: MirrorKind, localId: string): Promise<MirrorRef<Synced> | null> {
    return findMirrorRef<Synced>(session, { address: this.address, kind, localId });
  }

  /** Call before an object is created on the other server, so that the next attempt notices a crash. */
  reserve(kind: MirrorKind, localId: string): Promise<void> {
    return this.change(kind, localId, (session) => reserveMirrorRef(session, { address: this.address, kind, localId }));
  }

  saveRef(kind: MirrorKind, localId: string, externalId: string, synced: object): Promise<void> {
    return this.change(kind, localId, (session) =>
      setMirrorRef(session, { address: this.address, kind, localId }, externalId, synced),
    );
  }

  /** Deletes also the references of its versions, whose external ids begin with the model's. */
  deleteModelRefs(id: string): Promise<void> {
    return this.change('MODEL', id, (session) => deleteModelRefs(session, this.address, id));
  }

  deleteRef(kind: MirrorKind, localId: string): Promise<void> {
    return this.change(kind, localId, (session) => deleteMirrorRef(session, { address: this.address, kind, localId }));
  }

  private change(kind: MirrorKind, localId: string, work: (session: Session) => Promise<void>): Promise<void> {
    return this.transact(async (session) => {
      const task = this.leaseOf(kind, localId);
      if (!task) throw new Error(`${kind} ${localId} is changed without its lease.`);
      await fenceTask(session.em, task);
      await work(session);
    });
  }

  private leaseOf(kind: MirrorKind, localId: string): LeasedTask | undefined {
    return this.held.find((task) => task.kind === kind && task.localId === localId);
  }

  /** The object's own name; then, in case it is taken on the other server, a name that includes the tenant. */
  namesFor(name: string, id: string): string[] {
    return [name, `${name} (${this.tenant})`, `${name} (${this.tenant} ${id.slice(-12)})`];
  }
}

/** Hashes of tags when they were mirrored, which show the tags that have changed. */
export type TagFingerprints = Record<string, string>;

export function tagChanges(
  tags: Record<string, string>,
  before: TagFingerprints | undefined,
): { set: TagEntry[]; gone: string[]; fingerprints: TagFingerprints } {
  const fingerprints = Object.fromEntries(Object.entries(tags).map(([key, value]) => [key, fingerprintOf(value)]));
  const set = Object.entries(tags).flatMap(([key, value]) =>
    before?.[key] === fingerprints[key] ? [] : [{ key, value }],
  );
  return { set, gone: Object.keys(before ?? {}).filter((key) => !Object.hasOwn(tags, key)), fingerprints };
}

const fingerprintOf = (value: string) => createHash('sha256').update(value).digest('base64').slice(0, 12);
