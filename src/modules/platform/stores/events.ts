import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, type NotNull } from 'kysely';
import { Event } from '../../../db/entities/platform/event.entity.js';
import { LogFloor } from '../../../db/entities/platform/log-floor.entity.js';
import type { Session } from '../../../db/database.js';
import { holdLock } from '../../../db/lock.js';
import { runPrepared } from '../../../db/statement.js';
import { tablesOf } from '../../../db/tables.js';
import { firstIdAt } from '../rules/first-id.js';

const tables = tablesOf(Event, LogFloor);

/** Numbered events after `seq`, ordered by number; only the newest when `seq` is negative. */
export function eventsAfter({ em, tenant }: Session, seq: number, limit: number) {
  return tables(em)
    .selectFrom('event')
    .select(['id', 'seq', 'type', 'subject_type as subjectType', 'subject_id as subjectId', 'model_id as modelId'])
    .select(['endpoint_id as endpointId', 'payload', 'created_at as createdAt'])
    .where('tenant', '=', tenant)
    .where('seq', '>', seq)
    .$narrowType<{ seq: NotNull }>()
    .orderBy('seq', seq < 0 ? 'desc' : 'asc')
    .limit(limit)
    .execute();
}

/** The number up to which events were deleted, when it is above `seq`. */
export async function forgottenPast({ em, tenant }: Session, seq: number): Promise<number | null> {
  const floor = await tables(em)
    .selectFrom('log_floor')
    .select('seq')
    .where('tenant', '=', tenant)
    .where('log', '=', 'event')
    .where('seq', '>', seq)
    .executeTakeFirst();
  return floor?.seq ?? null;
}

/** Whether an event waits for its number. */
export async function hasUnnumbered(em: EntityManager): Promise<boolean> {
  const query = tables(em).selectFrom('event').select('id').where('seq', 'is', null).limit(1);
  return (await runPrepared(em, 'unnumbered_event', query)).length > 0;
}

/**
 * Numbers the oldest waiting events. Only one transaction at a time, so that no number appears that is lower than one
 * that was read before.
 */
export async function numberEvents(em: EntityManager, limit: number): Promise<{ id: string; tenant: string }[]> {
  await holdLock(em, 'matih.events');
  return tables(em)
    .updateTable('event')
    .from((from) =>
      from
        .selectFrom((inner) =>
          inner
            .selectFrom('event')
            .select('id')
            .where('seq', 'is', null)
            .orderBy('created_at')
            .orderBy('id')
            .limit(limit)
            .as('ordered'),
        )
        .select(['id', sql<number>`nextval('event_seq')`.as('seq')])
        .as('numbered'),
    )
    .set((set) => ({ seq: set.ref('numbered.seq') }))
    .whereRef('event.id', '=', 'numbered.id')
    .returning(['event.id', 'event.tenant'])
    .execute();
}

/**
 * Deletes the oldest events from before a time, except the newest of each tenant, because new followers begin after it.
 * Returns how many it deleted.
 */
export async function deleteOldEvents(em: EntityManager, before: Date, limit: number): Promise<number> {
  const { count } = await tables(em)
    .with('old', (from) =>
      from
        .selectFrom('event as e')
        .select('e.id')
        .where('e.id', '<', firstIdAt(before))
        .where('e.created_at', '<', before)
        .where('e.seq', '<', (newest) =>
          newest
            .selectFrom('event as n')
            .select((select) => select.fn.max('n.seq').as('seq'))
            .whereRef('n.tenant', '=', 'e.tenant'),
        )
        .orderBy('e.id')
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .with('gone', (from) =>
      from
        .deleteFrom('event')
        .using('old')
        .whereRef('event.id', '=', 'old.id')
        .returning(['event.tenant', 'event.seq']),
    )
    .with('floors', (from) =>
      from
        .insertInto('log_floor')
        .columns(['tenant', 'log', 'seq'])
        .expression((select) =>
          select
            .selectFrom('gone')
            .select((gone) => ['tenant', gone.val('event').as('log'), gone.fn.max('seq').$notNull().as('seq')])
            .groupBy('tenant'),
        )
        .onConflict((on) =>
          on.columns(['tenant', 'log']).doUpdateSet((set) => ({
            seq: set.fn('greatest', ['log_floor.seq', 'excluded.seq']),
          })),
        ),
    )
    .selectFrom('gone')
    .select((select) => select.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return count;
}
