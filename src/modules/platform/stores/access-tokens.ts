import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, type NotNull } from 'kysely';
import { AccessToken } from '../../../db/entities/platform/access-token.entity.js';
import { Endpoint } from '../../../db/entities/serving/endpoint.entity.js';
import { anyOf, tablesOf, unnested } from '../../../db/tables.js';
import type { Role } from '../../core/index.js';

const tables = tablesOf(AccessToken, Endpoint);

/** The valid tokens among these, with their scopes. */
export function validTokens(em: EntityManager, ids: readonly string[]) {
  return tables(em)
    .selectFrom('access_token as t')
    .select(['t.id', 't.tenant', 't.name', 't.scope', 't.run_id as runId', 't.expires_at as expiresAt'])
    .select((select) => [
      select.ref('t.role').$castTo<Role>().as('role'),
      select
        .selectFrom('endpoint as e')
        .select(
          sql<{ id: string; name: string }[]>`coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'name', e.name)
            order by e.name), '[]')`.as('endpoints'),
        )
        .whereRef('e.tenant', '=', 't.tenant')
        .where(sql<boolean>`e.id::text in (select jsonb_array_elements_text(t.endpoint_ids))`)
        .as('endpoints'),
    ])
    .$narrowType<{ endpoints: NotNull }>()
    .where('t.id', '=', anyOf('uuid', ids))
    .where('t.revoked_at', 'is', null)
    .where('t.expires_at', '>', sql<Date>`now()`)
    .execute();
}

/** Stores when tokens were last used. Locked rows are skipped until the next time. */
export async function saveUses(em: EntityManager, uses: readonly { id: string; usedAt: Date }[]): Promise<void> {
  await tables(em)
    .with('free', (from) =>
      from
        .selectFrom(unnested('u', { id: 'uuid', usedAt: 'timestamptz' }, uses))
        .innerJoin('access_token as t', 't.id', 'u.id')
        .select(['t.id', 'u.usedAt'])
        .where((where) =>
          where.or([where('t.last_used_at', 'is', null), where('t.last_used_at', '<', where.ref('u.usedAt'))]),
        )
        .forUpdate('t')
        .skipLocked(),
    )
    .updateTable('access_token as t')
    .from('free')
    .set((set) => ({ last_used_at: set.ref('free.usedAt') }))
    .whereRef('t.id', '=', 'free.id')
    .execute();
}
