import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import type { TagEntry } from './experiment.service.js';

/** NaN and the infinities come as text. */
type JsonNumber = number | 'NaN' | 'Infinity' | '-Infinity';

export interface LatestMetric {
  key: string;
  value: JsonNumber;
  step: number;
  timeMs: number;
}

export interface DatasetReference {
  name: string;
  digest: string;
  sourceType: string;
  source: string;
  schema: string | null;
  profile: string | null;
  tags: Record<string, string>;
}

export interface RunModelReference {
  loggedModelId: string;
  direction: 'INPUT' | 'OUTPUT';
  step: number;
}

/** What was logged to a run, each metric by its latest point. */
export interface RunDetails {
  params: TagEntry[];
  tags: TagEntry[];
  metrics: LatestMetric[];
  inputs: DatasetReference[];
  models: RunModelReference[];
}

const NOTHING: RunDetails = { params: [], tags: [], metrics: [], inputs: [], models: [] };

const pairs = (table: string) =>
  `coalesce((select json_agg(json_build_object('key', key, 'value', value) order by key) from ${table} t where t.tenant = r.tenant and t.run_id = r.id), '[]')`;

/** All that was logged to each of some runs, in one statement. */
export async function readRunDetails(session: Session, runIds: string[]): Promise<(runId: string) => RunDetails> {
  // Times by their floating seconds, that are exact to the millisecond: the numeric of extract is ten times as slow, and arrays are shorter
  // than objects.
  const rows = await sql<Omit<RunDetails, 'metrics'> & { id: string; metrics: [string, JsonNumber, number, number][] }>(
    session.em,
    `select r.id, ${pairs('run_param')} as params, ${pairs('run_tag')} as tags,
       coalesce((select json_agg(json_build_array(key, value, step, round(date_part('epoch', logged_at) * 1000)) order by key)
         from metric_latest m where m.tenant = r.tenant and m.run_id = r.id), '[]') as metrics,
       coalesce((select json_agg(json_build_object('name', name, 'digest', digest, 'sourceType', source_type, 'source', source, 'schema', schema,
           'profile', profile, 'tags', tags) order by created_at, id)
         from logged_dataset d where d.tenant = r.tenant and d.run_id = r.id and d.direction = 'INPUT'), '[]') as inputs,
       coalesce((select json_agg(json_build_object('loggedModelId', logged_model_id, 'direction', direction, 'step', step) order by created_at, id)
         from run_model l where l.tenant = r.tenant and l.run_id = r.id), '[]') as models
     from run r where r.tenant = ? and r.id = any(?::uuid[])`,
    [session.tenant, runIds],
  );
  const byId = new Map(
    rows.map(({ metrics, ...row }) => [
      row.id,
      { ...row, metrics: metrics.map(([key, value, step, timeMs]): LatestMetric => ({ key, value, step, timeMs })) },
    ]),
  );
  return (runId) => byId.get(runId) ?? NOTHING;
}
