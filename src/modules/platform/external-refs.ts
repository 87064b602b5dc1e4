import { v7 as uuidv7 } from 'uuid';
import { ExternalRef } from '../../db/entities/platform/external-ref.entity.js';
import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import { tablesOf } from '../../db/tables.js';
import { conflict } from '../../errors.js';

export type ThingKind = ExternalRef['kind'];

/** A local object, and how much of it was transferred. */
export interface KnownThing<Synced> {
  localId: string;
  synced: Partial<Synced>;
}

/** The name of an archive as a server: it contains the archive's SHA-256. */
export const archiveServer = (sha256: string) => `archive:${sha256}`;

/** How much of an archived experiment has been imported. */
export interface SyncedArchive {
  keepIds: boolean;
  hiddenAt: string;
  /** The job that writes it, or the last one that did. */
  jobId?: string;
  done: boolean;
}

const TABLES: Record<ThingKind, string> = {
  EXPERIMENT: 'experiment',
  RUN: 'run',
  MODEL: 'model',
  MODEL_VERSION: 'model_version',
  LOGGED_MODEL: 'logged_model',
};

/** The local object for an object of another server; null when it was never transferred or was deleted here. */
export async function findByExternal<Synced>(
  session: Session,
  server: string,
  kind: ThingKind,
  externalId: string,
): Promise<KnownThing<Synced> | null> {
  const [found] = await sql<KnownThing<Synced> & { isThere: boolean }>(
    session.em,
    `select r.local_id as "localId", r.synced, exists (select from ${TABLES[kind]} t where t.tenant = r.tenant
      and t.id = r.local_id) as "isThere"
     from external_ref r where r.tenant = ? and r.server = ? and r.kind = ? and r.external_id = ?`,
    [session.tenant, server, kind, externalId],
  );
  return found?.isThere ? found : null;
}

/**
 * Binds the two objects, in the transaction that creates one of them. Replaces a binding to an object that was deleted.
 */
export async function bind(
  session: Session,
  server: string,
  kind: ThingKind,
  externalId: string,
  localId: string,
): Promise<void> {
  await sql(
    session.em,
    `delete from external_ref r where r.tenant = ? and r.server = ? and r.kind = ? and r.external_id = ?
       and not exists (select from ${TABLES[kind]} t where t.tenant = r.tenant and t.id = r.local_id)`,
    [session.tenant, server, kind, externalId],
  );
  await sql(
    session.em,
    'insert into external_ref (id, tenant, server, kind, external_id, local_id) values (?, ?, ?, ?, ?, ?)',
    [...[uuidv7(), session.tenant, server, kind, externalId, localId]],
  );
}

export async function setSynced(
  session: Session,
  server: string,
  kind: ThingKind,
  externalId: string,
  synced: object,
): Promise<void> {
  await sql(
    session.em,
    'update external_ref set synced = ? where tenant = ? and server = ? and kind = ? and external_id = ?',
    [...[JSON.stringify(synced), session.tenant, server, kind, externalId]],
  );
}

/** CONFLICT for an experiment into which an archive was imported only in part. */
export async function refuseUnfinished(session: Session, experimentId: string): Promise<void> {
  const [half] = await sql<{ jobId: string | null }>(
    session.em,
    `select synced ->> 'jobId' as "jobId" from external_ref
     where tenant = ? and kind = 'EXPERIMENT' and local_id = ? and starts_with(server, 'archive:')
       and not (synced ->> 'done')::boolean`,
    [session.tenant, experimentId],
  );
  if (!half) return;
  throw conflict(
    `Experiment ${experimentId} is not complete: its import has not finished. Import the archive again, or ` +
      'have it collected as garbage.',
    {
      expected: 'an experiment that is whole',
      got: `what job ${half.jobId ?? 'unknown'} has brought so far`,
    },
  );
}

const tables = tablesOf(ExternalRef);

/** Deletes the external ids of an object that was deleted here. */
export async function forgetExternal({ em, tenant }: Session, localId: string): Promise<void> {
  await tables(em).deleteFrom('external_ref').where('tenant', '=', tenant).where('local_id', '=', localId).execute();
}
