import type { EntityName, FilterQuery } from '@mikro-orm/core';
import DataLoader from 'dataloader';
import { Experiment } from '../db/entities/tracking/experiment.entity.js';
import { Run } from '../db/entities/tracking/run.entity.js';
import type { Session } from '../db/database.js';
import { sql } from '../db/sql.js';

type RunInSession = <T>(work: (session: Session) => Promise<T>) => Promise<T>;

export interface KeyValueRow {
  key: string;
  value: string;
}

export interface LatestMetricRow {
  key: string;
  value: number;
  step: number;
  loggedAt: Date;
}

/** Per request: the reads of one turn become one statement per kind. */
export interface Loaders {
  experiment: DataLoader<string, Experiment | null>;
  run: DataLoader<string, Run | null>;
  runParams: DataLoader<string, KeyValueRow[]>;
  runTags: DataLoader<string, KeyValueRow[]>;
  runLatestMetrics: DataLoader<string, LatestMetricRow[]>;
}

export function createLoaders(run: RunInSession): Loaders {
  const byId = <T extends { id: string; tenant: string }>(entity: EntityName<T>) =>
    new DataLoader<string, T | null>((ids) =>
      run(async (session) => {
        const rows = (await session.em.find(entity, { id: { $in: [...ids] }, tenant: session.tenant } as unknown as FilterQuery<T>)) as T[];
        const found = new Map(rows.map((row) => [row.id, row]));
        return ids.map((id) => found.get(id) ?? null);
      }),
    );
  /** Rows of `columns` in `table` grouped by the column `owner`, in `order`. */
  const grouped = <Row>(table: string, owner: string, columns: string, order: string) =>
    new DataLoader<string, Row[]>((ids) =>
      run(async (session) => {
        const rows = await sql<(Row & { owner_id: string })>(session.em, 
          `select ${owner} as owner_id, ${columns} from ${table} where tenant = ? and ${owner} = any(?::uuid[]) order by ${order}`,
          [session.tenant, [...ids]],
        );
        const groups = Map.groupBy(rows, (row) => row.owner_id);
        return ids.map((id) => groups.get(id) ?? []);
      }),
    );
  return {
    experiment: byId(Experiment),
    run: byId(Run),
    runParams: grouped<KeyValueRow>('run_param', 'run_id', 'key, value', 'key'),
    runTags: grouped<KeyValueRow>('run_tag', 'run_id', 'key, value', 'key'),
    runLatestMetrics: grouped<LatestMetricRow>('metric_latest', 'run_id', 'key, value, step::float8 as step, logged_at as "loggedAt"', 'key'),
  };
}
