import { v7 as uuidv7 } from 'uuid';
import { ExternalRef } from '../../../db/entities/exchange/external-ref.entity.js';
import { ModelVersion } from '../../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../../db/database.js';
import { tablesOf, toJson } from '../../../db/tables.js';
import { mirrorKey, type MirrorKind } from './mirror-tasks.js';

const tables = tablesOf(ExternalRef, ModelVersion);

/** The id of an object on the other server, and how much of it was sent. */
export interface MirrorRef<Synced> {
  externalId: string;
  synced: Partial<Synced>;
  /** The object may exist on the other server: its creation was requested, but no answer was received. */
  isPending: boolean;
  /** The object was imported from the other server, which has the original. */
  isOriginal: boolean;
}

/** An object that is mirrored to the server at this address. */
export interface MirroredObject {
  address: string;
  kind: MirrorKind;
  localId: string;
}

const PENDING = 'pending:';

export async function findMirrorRef<Synced>(
  { em, tenant }: Session,
  { address, kind, localId }: MirroredObject,
): Promise<MirrorRef<Synced> | null> {
  const row = await tables(em)
    .selectFrom('external_ref')
    .select(['server', 'external_id as externalId', 'synced'])
    .where('tenant', '=', tenant)
    .where('kind', '=', kind)
    .where('local_id', '=', localId)
    .where('server', 'in', [address, mirrorKey(address)])
    .orderBy('server')
    .limit(1)
    .executeTakeFirst();
  return row
    ? {
        externalId: row.externalId,
        synced: row.synced as Partial<Synced>,
        isPending: row.externalId.startsWith(PENDING),
        isOriginal: row.server === address,
      }
    : null;
}

/** Call before an object is created on the other server, so that the next attempt notices a crash. */
export async function reserveMirrorRef({ em, tenant }: Session, mirrored: MirroredObject): Promise<void> {
  const { address, kind, localId } = mirrored;
  await tables(em)
    .insertInto('external_ref')
    .values({
      ...{ id: uuidv7(), tenant, created_at: new Date(), server: mirrorKey(address), kind },
      ...{ external_id: `${PENDING}${localId}`, local_id: localId, synced: toJson({}) },
    })
    .onConflict((on) => on.columns(['tenant', 'server', 'kind', 'local_id']).doNothing())
    .execute();
}

export async function setMirrorRef(
  session: Session,
  mirrored: MirroredObject,
  externalId: string,
  synced: object,
): Promise<void> {
  await tables(session.em)
    .updateTable('external_ref')
    .set({ external_id: externalId, synced: toJson({ ...synced }) })
    .where('tenant', '=', session.tenant)
    .where('server', '=', mirrorKey(mirrored.address))
    .where('kind', '=', mirrored.kind)
    .where('local_id', '=', mirrored.localId)
    .execute();
}

export async function deleteMirrorRef(session: Session, mirrored: MirroredObject): Promise<void> {
  await tables(session.em)
    .deleteFrom('external_ref')
    .where('tenant', '=', session.tenant)
    .where('server', '=', mirrorKey(mirrored.address))
    .where('kind', '=', mirrored.kind)
    .where('local_id', '=', mirrored.localId)
    .execute();
}

/** Deletes the references of a model and of its versions, whose external ids begin with its id. */
export async function deleteModelRefs({ em, tenant }: Session, address: string, modelId: string): Promise<void> {
  await tables(em)
    .deleteFrom('external_ref')
    .where('tenant', '=', tenant)
    .where('server', '=', mirrorKey(address))
    .where((where) =>
      where.or([
        where.and([where('kind', '=', 'MODEL'), where('local_id', '=', modelId)]),
        where.and([where('kind', '=', 'MODEL_VERSION'), where('external_id', 'like', `${modelId}/%`)]),
      ]),
    )
    .execute();
}

/** Ids of the finished versions of the model with a lower number that no other server has yet. */
export async function unmirroredBefore(
  { em, tenant }: Session,
  { modelId, version }: Pick<ModelVersion, 'modelId' | 'version'>,
): Promise<string[]> {
  const found = await tables(em)
    .selectFrom('model_version as v')
    .select('v.id')
    .where('v.tenant', '=', tenant)
    .where('v.model_id', '=', modelId)
    .where('v.version', '<', version)
    .where('v.status', '=', 'READY')
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('external_ref as r')
            .select('r.id')
            .whereRef('r.tenant', '=', 'v.tenant')
            .where('r.kind', '=', 'MODEL_VERSION')
            .whereRef('r.local_id', '=', 'v.id'),
        ),
      ),
    )
    .execute();
  return found.map(({ id }) => id);
}
