import type { EntityManager } from '@mikro-orm/postgresql';
import { Alert } from '../../../db/entities/alerts/alert.entity.js';
import { Job } from '../../../db/entities/jobs/job.entity.js';
import { RetrainingPolicy } from '../../../db/entities/monitoring/retraining-policy.entity.js';
import type { Session } from '../../../db/database.js';
import { tablesOf } from '../../../db/tables.js';

const tables = tablesOf(Alert, Job, RetrainingPolicy);

/** Open alerts of all tenants whose model has a policy and for which no job was started, oldest first. */
export function alertsToConsider(em: EntityManager, limit: number): Promise<{ tenant: string; id: string }[]> {
  return tables(em)
    .selectFrom('alert as a')
    .innerJoin('retraining_policy as p', (on) =>
      on.onRef('p.tenant', '=', 'a.tenant').onRef('p.model_id', '=', 'a.model_id'),
    )
    .select(['a.tenant', 'a.id'])
    .where('a.status', '=', 'OPEN')
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('job as j')
            .select('j.id')
            .whereRef('j.tenant', '=', 'a.tenant')
            .whereRef('j.alert_id', '=', 'a.id'),
        ),
      ),
    )
    .orderBy('a.created_at')
    .limit(limit)
    .execute();
}

/** The newest jobs that alerts of a model have started. */
export function retrainingsOf({ em, tenant }: Session, modelId: string, limit: number) {
  return tables(em)
    .selectFrom('job as j')
    .innerJoin('alert as a', (on) => on.onRef('a.tenant', '=', 'j.tenant').onRef('a.id', '=', 'j.alert_id'))
    .select(['j.created_at as createdAt', 'j.status'])
    .where('j.tenant', '=', tenant)
    .where('a.model_id', '=', modelId)
    .orderBy('j.created_at', 'desc')
    .limit(limit)
    .execute();
}
