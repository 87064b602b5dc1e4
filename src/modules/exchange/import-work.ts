import { createHash } from 'node:crypto';
import { UniqueConstraintViolationException } from '@mikro-orm/core';
import type { Actor, Session } from '../../db/database.js';
import { fromHexId } from '../core/index.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { AttemptOf } from '../jobs/index.js';
import {
  bind,
  type ExternalName,
  findByExternal,
  setSynced,
  type KnownObject,
  type ObjectKind,
} from './stores/external-refs.js';
import {
  type ImportConfig,
  type ImportTally,
  type MLFLOW_IMPORT,
  noTally,
  type Outcomes,
} from './mlflow-import.job-kind.js';
import type { MlflowReader } from './mlflow-reader.js';
import { visibleName } from './rules/mlflow-records.js';

const COUNTED: Record<ObjectKind, 'experiments' | 'runs' | 'loggedModels' | 'models' | 'modelVersions'> = {
  EXPERIMENT: 'experiments',
  RUN: 'runs',
  LOGGED_MODEL: 'loggedModels',
  MODEL: 'models',
  MODEL_VERSION: 'modelVersions',
};
const MAX_PROBLEMS_SHOWN = 100;
/** Limit for the name of an object or for a reason: ids and names of another server can have any length. */
const MAX_PROBLEM_CHARACTERS = 1_000;
const ITEMS_PER_CALL = 100;
/** Ids of this service are UUIDs of version 7; ids of MLflow's server are of version 4. */
const UUID_VERSION_AT = 14;
const OWN_UUID_VERSION = '7';

/** One attempt of an import: the state that its parts share. */
export class ImportWork {
  readonly tally: ImportTally;

  constructor(
    readonly attempt: AttemptOf<typeof MLFLOW_IMPORT>,
    readonly config: ImportConfig,
    readonly reader: MlflowReader,
    readonly actor: Actor,
  ) {
    // Problems are not taken over, because this attempt finds them again.
    this.tally = { ...(attempt.soFar ?? noTally()), problems: [], problemCount: 0 };
  }

  /** The host of the other server. A name can end with it. */
  get origin(): string {
    return new URL(this.config.server).host;
  }

  find<Synced>(kind: ObjectKind, externalId: string): Promise<KnownObject<Synced> | null> {
    return this.attempt.read((session) => findByExternal<Synced>(session, this.nameOf(kind, externalId)));
  }

  nameOf(kind: ObjectKind, externalId: string): ExternalName {
    return { server: this.config.server, kind, externalId };
  }

  /**
   * Creates an object and binds it to the other server's object, in one transaction. It keeps the other server's id
   * when that is free here.
   */
  async make(
    kind: ObjectKind,
    externalId: string,
    make: (session: Session, id: string | undefined) => Promise<string>,
  ): Promise<string> {
    const remoteId = fromHexId(externalId.replace(/^m-/, '')) ?? undefined;
    // Never reuses an id that this service may have created: another tenant can have it, and this must not be revealed.
    const own = remoteId?.charAt(UUID_VERSION_AT) === OWN_UUID_VERSION ? undefined : remoteId;
    const attempt = (id: string | undefined) =>
      this.attempt.write(async (session) => {
        const localId = await make(session, id);
        await session.em.flush();
        await bind(session, this.nameOf(kind, externalId), localId);
        return localId;
      });
    if (own === undefined) return attempt(undefined);
    try {
      return await attempt(own);
    } catch (error) {
      // The id is taken, perhaps by another tenant; the error does not reveal the owner.
      if (!(error instanceof UniqueConstraintViolationException)) throw error;
      return attempt(undefined);
    }
  }

  /**
   * Ends the work on one object: stores its state on the other server and counts it, in one transaction with its last
   * change.
   */
  async finish(
    kind: ObjectKind,
    externalId: string,
    outcome: keyof Outcomes,
    synced: object,
    work?: (session: Session) => Promise<void>,
  ): Promise<void> {
    const counted = COUNTED[kind];
    const tally = { ...this.tally, [counted]: { ...this.tally[counted], [outcome]: this.tally[counted][outcome] + 1 } };
    await this.attempt.write(async (session) => {
      await work?.(session);
      await setSynced(session, this.nameOf(kind, externalId), synced);
      await this.attempt.keep(session, tally);
    });
    Object.assign(this.tally, tally);
  }

  unchanged(kind: ObjectKind): void {
    this.tally[COUNTED[kind]].unchanged += 1;
  }

  /** If one object is refused, the import of the others continues. Returns false when it was refused. */
  async leniently(value: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof AppError) || !concernsOneObject(error)) throw error;
      this.problem(value, error.message);
      return false;
    }
  }

  problem(thing: string, reason: string): void {
    this.tally.problemCount += 1;
    if (this.tally.problems.length >= MAX_PROBLEMS_SHOWN) return;
    const shown = (text: string) => visibleName(text, 'one without a name', MAX_PROBLEM_CHARACTERS);
    this.tally.problems.push({ thing: shown(thing), reason: shown(reason) });
  }

  progress(fraction: number): void {
    const { runs, modelVersions } = this.tally;
    const done = (outcomes: Outcomes) => outcomes.added + outcomes.changed + outcomes.unchanged;
    this.attempt.progress(fraction, `${done(runs)} runs and ${done(modelVersions)} model versions are here`);
  }
}

function concernsOneObject({ code }: AppError): boolean {
  switch (code) {
    case ErrorCode.BAD_USER_INPUT:
    case ErrorCode.CONFLICT:
    case ErrorCode.INVALID_MODEL:
    case ErrorCode.INVALID_PATH:
    case ErrorCode.NOT_FOUND:
    case ErrorCode.RESOURCE_EXHAUSTED:
      return true;
    default:
      return false;
  }
}

/** A fingerprint: equal for equal objects, whatever the order of their tags. */
export function fingerprintOf(thing: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(thing)))
    .digest('hex');
}

function sorted(value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (Array.isArray(value)) return value.map((item) => JSON.stringify(sorted(item))).sort();
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => [key, sorted(item)]);
  return entries.sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * Calls a function for groups of items, as many per call as it accepts. Each group is written before the next one is
 * read.
 */
export async function inGroups<T>(
  session: Session,
  items: readonly T[],
  call: (group: T[]) => Promise<unknown>,
): Promise<void> {
  for (let from = 0; from < items.length; from += ITEMS_PER_CALL) {
    await call(items.slice(from, from + ITEMS_PER_CALL));
    await session.em.flush();
  }
}
