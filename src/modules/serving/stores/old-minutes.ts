import type { EntityManager } from '@mikro-orm/postgresql';
import { DeploymentMinute } from '../../../db/entities/serving/deployment-minute.entity.js';
import { Deployment } from '../../../db/entities/serving/deployment.entity.js';
import { tablesOf } from '../../../db/tables.js';

const tables = tablesOf(Deployment, DeploymentMinute);

/** Deletes minutes of traffic from before a time, at most `limit`. Returns how many it deleted. */
export async function deleteOldMinutes(em: EntityManager, before: Date, limit: number): Promise<number> {
  const { numDeletedRows } = await tables(em)
    .with('old', (from) =>
      from
        .selectFrom('deployment as d')
        .crossJoinLateral((lateral) =>
          lateral
            .selectFrom('deployment_minute')
            .select(['deployment_id', 'minute'])
            .whereRef('deployment_id', '=', 'd.id')
            .where('minute', '<', before)
            .orderBy('minute')
            .limit(limit)
            .as('m'),
        )
        .select(['m.deployment_id', 'm.minute'])
        .limit(limit),
    )
    .deleteFrom('deployment_minute as m')
    .using('old')
    .whereRef('m.deployment_id', '=', 'old.deployment_id')
    .whereRef('m.minute', '=', 'old.minute')
    .executeTakeFirst();
  return Number(numDeletedRows);
}
