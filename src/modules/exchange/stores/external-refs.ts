import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import { ExternalRef } from '../../../db/entities/exchange/external-ref.entity.js';
import { Experiment } from '../../../db/entities/experiments/experiment.entity.js';
import { Run } from '../../../db/entities/experiments/run.entity.js';
import { LoggedModel } from '../../../db/entities/logged-models/logged-model.entity.js';
import { ModelVersion } from '../../../db/entities/registry/model-version.entity.js';
import { Model } from '../../../db/entities/registry/model.entity.js';
import type { Session } from '../../../db/database.js';
import { anyOf, tablesOf, toJson, type Json } from '../../../db/tables.js';

const tables = tablesOf(ExternalRef, Experiment, Run, Model, ModelVersion, LoggedModel);

export type ObjectKind = ExternalRef['kind'];

/** A local object, and how much of it was transferred. */
export interface KnownObject<Synced> {
  localId: string;
  synced: Partial<Synced>;
}

const TABLES = {
  EXPERIMENT: 'experiment',
  RUN: 'run',
  MODEL: 'model',
  MODEL_VERSION: 'model_version',
  LOGGED_MODEL: 'logged_model',
} as const satisfies Record<ObjectKind, string>;

/** An object by its id on another server. */
export interface ExternalName {
  server: string;
  kind: ObjectKind;
  externalId: string;
}

/** The local object for an object of another server; null when it was never transferred or was deleted here. */
export async function findByExternal<Synced>(
  { em, tenant }: Session,
  { server, kind, externalId }: ExternalName,
): Promise<KnownObject<Synced> | null> {
  const found = await tables(em)
    .selectFrom('external_ref as r')
    .innerJoin(tables(em).selectFrom(TABLES[kind]).select(['tenant', 'id']).as('t'), (on) =>
      on.onRef('t.tenant', '=', 'r.tenant').onRef('t.id', '=', 'r.local_id'),
    )
    .select(['r.local_id as localId', 'r.synced'])
    .where('r.tenant', '=', tenant)
    .where('r.server', '=', server)
    .where('r.kind', '=', kind)
    .where('r.external_id', '=', externalId)
    .executeTakeFirst();
  return found ? { localId: found.localId, synced: found.synced as Partial<Synced> } : null;
}

/**
 * Binds the two objects, in the transaction that creates one of them. Replaces a binding to an object that was deleted.
 */
export async function bind(
  { em, tenant }: Session,
  { server, kind, externalId }: ExternalName,
  localId: string,
): Promise<void> {
  await tables(em)
    .deleteFrom('external_ref')
    .where('tenant', '=', tenant)
    .where('server', '=', server)
    .where('kind', '=', kind)
    .where('external_id', '=', externalId)
    .where(({ not, exists }) =>
      not(
        exists(
          tables(em)
            .selectFrom(TABLES[kind])
            .select('id')
            .where('tenant', '=', tenant)
            .where('id', '=', sql.ref<string>('external_ref.local_id')),
        ),
      ),
    )
    .execute();
  await tables(em)
    .insertInto('external_ref')
    .values({
      ...{ id: uuidv7(), tenant, created_at: new Date(), server, kind, external_id: externalId, local_id: localId },
      synced: toJson({}),
    })
    .execute();
}

export async function setSynced(
  { em, tenant }: Session,
  { server, kind, externalId }: ExternalName,
  synced: object,
): Promise<void> {
  await tables(em)
    .updateTable('external_ref')
    .set({ synced: toJson({ ...synced }) })
    .where('tenant', '=', tenant)
    .where('server', '=', server)
    .where('kind', '=', kind)
    .where('external_id', '=', externalId)
    .execute();
}

/** Runs of an experiment whose parent was imported after them. */
export function childrenToLink(
  { em, tenant }: Session,
  server: string,
  experimentId: string,
): Promise<{ runId: string; parentId: string }[]> {
  return tables(em)
    .selectFrom('external_ref as child')
    .innerJoin('run as r', (on) =>
      on
        .onRef('r.tenant', '=', 'child.tenant')
        .onRef('r.id', '=', 'child.local_id')
        .on('r.experiment_id', '=', experimentId)
        .on('r.state', '=', 'ACTIVE'),
    )
    .innerJoin('external_ref as parent', (on) =>
      on
        .onRef('parent.tenant', '=', 'child.tenant')
        .onRef('parent.server', '=', 'child.server')
        .on('parent.kind', '=', 'RUN')
        .on('parent.external_id', '=', sql<string>`child.synced ->> 'parent'`),
    )
    .select(['child.local_id as runId', 'parent.local_id as parentId'])
    .where('child.tenant', '=', tenant)
    .where('child.server', '=', server)
    .where('child.kind', '=', 'RUN')
    .execute();
}

/** The run no longer waits for its parent. */
export async function clearParent({ em, tenant }: Session, server: string, runId: string): Promise<void> {
  await tables(em)
    .updateTable('external_ref')
    .set({ synced: sql<Json<ExternalRef['synced']>>`synced - 'parent'` })
    .where('tenant', '=', tenant)
    .where('server', '=', server)
    .where('kind', '=', 'RUN')
    .where('local_id', '=', runId)
    .execute();
}

/** Deletes the external ids of an object that was deleted here. */
export async function deleteExternalRefs({ em, tenant }: Session, localId: string): Promise<void> {
  await tables(em).deleteFrom('external_ref').where('tenant', '=', tenant).where('local_id', '=', localId).execute();
}

/** Whether one of these ids is in use, by any tenant. */
export async function isAnyTaken(
  em: EntityManager,
  table: 'experiment' | 'run' | 'logged_model',
  ids: readonly string[],
): Promise<boolean> {
  const taken = await tables(em).selectFrom(table).select('id').where('id', '=', anyOf('uuid', ids)).limit(1).execute();
  return taken.length > 0;
}
