import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { LanguageMinute } from '../../../db/entities/language-models/language-minute.entity.js';
import { TokenBudget, TokenUse } from '../../../db/entities/language-models/token-budget.entity.js';
import { Deployment } from '../../../db/entities/serving/deployment.entity.js';
import type { Session } from '../../../db/database.js';
import { anyOf, tablesOf, unnested } from '../../../db/tables.js';

const tables = tablesOf(Deployment, LanguageMinute, TokenBudget, TokenUse);

/** The tokens of a deployment in a minute. */
export interface TokenMinute {
  tenant: string;
  deploymentId: string;
  minute: Date;
  promptTokens: number;
  completionTokens: number;
  laterTokens: number;
  laterMs: number;
}

/** The tokens of a tenant on a day. */
export interface DayUse {
  tenant: string;
  day: Date;
  tokens: number;
}

const MINUTE = {
  tenant: 'text',
  deploymentId: 'uuid',
  minute: 'timestamptz',
  promptTokens: 'bigint',
  completionTokens: 'bigint',
  laterTokens: 'bigint',
  laterMs: 'float8',
} as const;

/** Adds to the minutes of all tenants. Minutes of deleted deployments are skipped. */
export async function addTokenMinutes(em: EntityManager, minutes: readonly TokenMinute[]): Promise<void> {
  if (minutes.length === 0) return;
  await tables(em)
    .insertInto('language_minute')
    .columns([
      ...(['tenant', 'deployment_id', 'minute', 'prompt_tokens', 'completion_tokens'] as const),
      ...(['later_tokens', 'later_ms'] as const),
    ])
    .expression((select) =>
      select
        .selectFrom(unnested('n', MINUTE, minutes))
        .innerJoin('deployment as d', (on) =>
          on.onRef('d.tenant', '=', 'n.tenant').onRef('d.id', '=', 'n.deploymentId'),
        )
        .select(['n.tenant', 'n.deploymentId', 'n.minute', 'n.promptTokens', 'n.completionTokens'])
        .select(['n.laterTokens', 'n.laterMs'])
        // In a fixed order, so that two processes cannot deadlock.
        .orderBy('n.deploymentId')
        .orderBy('n.minute'),
    )
    .onConflict((on) =>
      on.columns(['deployment_id', 'minute']).doUpdateSet({
        prompt_tokens: sql<number>`language_minute.prompt_tokens + excluded.prompt_tokens`,
        completion_tokens: sql<number>`language_minute.completion_tokens + excluded.completion_tokens`,
        later_tokens: sql<number>`language_minute.later_tokens + excluded.later_tokens`,
        later_ms: sql<number>`language_minute.later_ms + excluded.later_ms`,
      }),
    )
    .execute();
}

export async function addDayUse(em: EntityManager, uses: readonly DayUse[]): Promise<void> {
  if (uses.length === 0) return;
  await tables(em)
    .insertInto('token_use')
    .columns(['tenant', 'day', 'tokens'])
    .expression((select) =>
      select
        .selectFrom(unnested('n', { tenant: 'text', day: 'timestamptz', tokens: 'bigint' } as const, uses))
        .select(['n.tenant', 'n.day', 'n.tokens'])
        .orderBy('n.tenant')
        .orderBy('n.day'),
    )
    .onConflict((on) =>
      on.columns(['tenant', 'day']).doUpdateSet({ tokens: sql<number>`token_use.tokens + excluded.tokens` }),
    )
    .execute();
}

/** The tenant's own limit, null without one, and what it has used on a day. */
export async function budgetOf(
  em: EntityManager,
  tenant: string,
  day: Date,
): Promise<{ own: number | null; used: number }> {
  const budget = await tables(em)
    .selectFrom('token_budget')
    .select('tokens_per_day')
    .where('tenant', '=', tenant)
    .orderBy('set_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  const use = await tables(em)
    .selectFrom('token_use')
    .select('tokens')
    .where('tenant', '=', tenant)
    .where('day', '=', day)
    .executeTakeFirst();
  return { own: budget?.tokens_per_day ?? null, used: use?.tokens ?? 0 };
}

/** The minutes of deployments that begin at or after `from` and before `to`. */
export function tokenMinutes({ em, tenant }: Session, deploymentIds: readonly string[], from: Date, to: Date) {
  return tables(em)
    .selectFrom('language_minute')
    .select(['deployment_id as deploymentId', 'minute', 'prompt_tokens as promptTokens'])
    .select(['completion_tokens as completionTokens', 'later_tokens as laterTokens', 'later_ms as laterMs'])
    .where('tenant', '=', tenant)
    .where('deployment_id', '=', anyOf('uuid', deploymentIds))
    .where('minute', '>=', from)
    .where('minute', '<', to)
    .orderBy('minute')
    .execute();
}

/** Deletes old minutes of all tenants, at most `limit`. Returns how many it deleted. */
export async function deleteOldTokenMinutes(em: EntityManager, before: Date, limit: number): Promise<number> {
  const { numDeletedRows } = await tables(em)
    .with('old', (from) =>
      from
        .selectFrom('language_minute')
        .select(['deployment_id', 'minute'])
        .where('minute', '<', before)
        .orderBy('minute')
        .limit(limit),
    )
    .deleteFrom('language_minute as m')
    .using('old')
    .whereRef('m.deployment_id', '=', 'old.deployment_id')
    .whereRef('m.minute', '=', 'old.minute')
    .executeTakeFirst();
  return Number(numDeletedRows);
}
