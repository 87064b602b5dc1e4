import type { Session } from '../../../db/database.js';
import { jsonOf, statement } from '../../../db/statement.js';
import type { TagEntry } from '../experiment.service.js';

/** NaN and the infinities are texts. */
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

/** The logged data of a run; each metric has only its latest point. */
export interface RunDetails {
  params: TagEntry[];
  tags: TagEntry[];
  metrics: LatestMetric[];
  inputs: DatasetReference[];
  models: RunModelReference[];
}

const NOTHING: RunDetails = { params: [], tags: [], metrics: [], inputs: [], models: [] };

/** Columns of equal length, one for each field. */
type Columns<Fields extends unknown[]> = { [Place in keyof Fields]: Fields[Place][] };

/** All logged data of one kind of a run. */
type Detail =
  | { kind: 'metrics'; columns: Columns<[key: string, value: JsonNumber, step: number, timeMs: number]> }
  | { kind: 'params' | 'tags'; columns: Columns<[key: string, value: string]> }
  | { kind: 'inputs'; columns: [DatasetReference[]] }
  | { kind: 'models'; columns: [RunModelReference[]] };

/** Aggregates one column at a time: making a JSON array for each row costs half as much again. */
function grouped(kind: Detail['kind'], table: string, columns: string[], order: string): string {
  const named = columns.map((column, i) => `${column} as c${i}`);
  const gathered = columns.map((_column, i) => `json_agg(c${i})`);
  return `select run_id as "runId", json_build_object('kind', '${kind}', 'columns',
    json_build_array(${gathered.join(', ')})) as detail from (
    select run_id, ${named.join(', ')} from ${table} where tenant = $1 and run_id = any($2::uuid[]) order by run_id,
      ${order}) ordered group by run_id`;
}

// Times as floating-point seconds, which are exact to the millisecond: the numeric type that extract returns is ten
// times as slow.
const DETAILS = [
  grouped('metrics', 'metric_latest', ['key', 'value', 'step', `round(date_part('epoch', logged_at) * 1000)`], 'key'),
  grouped('params', 'run_param', ['key', 'value'], 'key'),
  grouped('tags', 'run_tag', ['key', 'value'], 'key'),
  grouped(
    'inputs',
    `(select * from logged_dataset where direction = 'INPUT') d`,
    [
      `json_build_object('name', name, 'digest', digest, 'sourceType', source_type, 'source', source, ` +
        `'schema', schema, 'profile', profile, 'tags', tags)`,
    ],
    'created_at, id',
  ),
  grouped(
    'models',
    'run_model',
    [`json_build_object('loggedModelId', logged_model_id, 'direction', direction, 'step', step)`],
    'created_at, id',
  ),
];

const detailsOfRuns = statement({
  name: 'run_details',
  text: DETAILS.join(' union all '),
  row: { runId: 'uuid', detail: jsonOf<Detail>() },
  isPrepared: true,
});

/** Reads all logged data of several runs in one statement. */
export async function readRunDetails(
  { em, tenant }: Session,
  runIds: string[],
): Promise<(runId: string) => RunDetails> {
  const rows = await detailsOfRuns(em, [tenant, runIds]);
  const byId = new Map(runIds.map((id): [string, RunDetails] => [id, { ...NOTHING }]));
  for (const { runId, detail } of rows) {
    const details = byId.get(runId);
    if (details) addTo(details, detail);
  }
  return (runId) => byId.get(runId) ?? NOTHING;
}

function addTo(details: RunDetails, detail: Detail): void {
  switch (detail.kind) {
    case 'metrics': {
      const [keys, values, steps, timesMs] = detail.columns;
      details.metrics = keys.map((key, i) => ({ key, value: values[i]!, step: steps[i]!, timeMs: timesMs[i]! }));
      break;
    }
    case 'params':
    case 'tags': {
      const [keys, values] = detail.columns;
      details[detail.kind] = keys.map((key, i) => ({ key, value: values[i]! }));
      break;
    }
    case 'inputs':
      [details.inputs] = detail.columns;
      break;
    case 'models':
      [details.models] = detail.columns;
      break;
  }
}
