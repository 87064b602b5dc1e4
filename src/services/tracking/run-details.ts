import type { Session } from '../../db/database.js';
import { preparedSql } from '../../db/sql.js';
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

type MetricItem = [key: string, value: JsonNumber, step: number, timeMs: number];
type PairItem = [key: string, value: string];

/** One row for each run and each kind of thing that was logged to it. */
type DetailRow = { runId: string } & (
  | { kind: 'metrics'; items: MetricItem[] }
  | { kind: 'params' | 'tags'; items: PairItem[] }
  | { kind: 'inputs'; items: DatasetReference[] }
  | { kind: 'models'; items: RunModelReference[] }
);

const grouped = (kind: DetailRow['kind'], table: string, item: string, order: string) =>
  `select run_id as "runId", '${kind}' as kind, json_agg(${item} order by ${order}) as items from ${table}
   where tenant = ? and run_id = any(?::uuid[]) group by run_id`;

const PAIR = 'json_build_array(key, value)';

/** Arrays, which are shorter than objects. Times by their floating seconds, that are exact to the millisecond: the numeric of extract is ten times as slow. */
const DETAILS = [
  grouped('metrics', 'metric_latest', `json_build_array(key, value, step, round(date_part('epoch', logged_at) * 1000))`, 'key'),
  grouped('params', 'run_param', PAIR, 'key'),
  grouped('tags', 'run_tag', PAIR, 'key'),
  grouped(
    'inputs',
    `(select * from logged_dataset where direction = 'INPUT') d`,
    `json_build_object('name', name, 'digest', digest, 'sourceType', source_type, 'source', source, 'schema', schema, 'profile', profile, 'tags', tags)`,
    'created_at, id',
  ),
  grouped(
    'models',
    'run_model',
    `json_build_object('loggedModelId', logged_model_id, 'direction', direction, 'step', step)`,
    'created_at, id',
  ),
];

const toPair = ([key, value]: PairItem): TagEntry => ({ key, value });

/** All that was logged to each of some runs, in one statement. */
export async function readRunDetails(session: Session, runIds: string[]): Promise<(runId: string) => RunDetails> {
  const params = DETAILS.flatMap(() => [session.tenant, runIds]);
  const rows = await preparedSql<DetailRow>(session.em, 'run_details', DETAILS.join(' union all '), params);
  const byId = new Map(runIds.map((id): [string, RunDetails] => [id, { ...NOTHING }]));
  for (const row of rows) {
    const details = byId.get(row.runId);
    if (details) addTo(details, row);
  }
  return (runId) => byId.get(runId) ?? NOTHING;
}

function addTo(details: RunDetails, row: DetailRow): void {
  switch (row.kind) {
    case 'metrics':
      details.metrics = row.items.map(([key, value, step, timeMs]) => ({ key, value, step, timeMs }));
      break;
    case 'params':
    case 'tags':
      details[row.kind] = row.items.map(toPair);
      break;
    case 'inputs':
      details.inputs = row.items;
      break;
    case 'models':
      details.models = row.items;
      break;
  }
}
