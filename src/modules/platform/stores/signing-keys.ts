import type { EntityManager } from '@mikro-orm/postgresql';
import type { SigningKey as Key } from '../../../adapters/auth/port.js';
import { SigningKey } from '../../../db/entities/platform/signing-key.entity.js';
import { tablesOf } from '../../../db/tables.js';

const tables = tablesOf(SigningKey);

/** Newest first. */
export function readKeys(em: EntityManager): Promise<Key[]> {
  return tables(em)
    .selectFrom('signing_key')
    .select(['id', 'secret'])
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .execute();
}

export async function addKey(em: EntityManager, { id, secret }: Key): Promise<void> {
  await tables(em).insertInto('signing_key').values({ id, secret }).execute();
}

export async function deleteKeys(em: EntityManager): Promise<void> {
  await tables(em).deleteFrom('signing_key').execute();
}
