import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import {
  MAX_LINEAGE_NODES,
  type LineageDirection,
  type LineageEdgeKind,
  type LineageLink,
  type LineageRef,
  type LineageType,
} from './rules/lineage.js';

/** Which rows of which tables are links. The tenant of `a` is checked. */
interface LinkRule {
  from: LineageType;
  to: LineageType;
  kind: LineageEdgeKind;
  table: string | Record<LineageDirection, string>;
  fromId: string;
  toId: string;
  where?: string;
}

/**
 * The same data in several runs is one node with the id of its oldest row `f`. This join leads from a run's row `a` to
 * it.
 */
const TO_FIRST = `logged_dataset a cross join lateral (
  select g.id from logged_dataset g where g.tenant = a.tenant and g.name = a.name and g.digest = a.digest
    order by g.id limit 1) f`;
/** The join back, from the oldest row to all rows. */
const FROM_FIRST = `logged_dataset f join logged_dataset a on a.tenant = f.tenant and a.name = f.name and a.digest = f.digest`;

const RULES: readonly LinkRule[] = [
  { from: 'DATASET', to: 'RUN', kind: 'INPUT', table: 'run_dataset a', fromId: 'a.dataset_id', toId: 'a.run_id' },
  {
    from: 'DATASET',
    to: 'LOGGED_DATASET',
    kind: 'SAME_DATA',
    table: { DOWNSTREAM: TO_FIRST, UPSTREAM: FROM_FIRST },
    fromId: 'a.dataset_id',
    toId: 'f.id',
    where: 'a.dataset_id is not null',
  },
  {
    from: 'LOGGED_DATASET',
    to: 'RUN',
    kind: 'INPUT',
    table: { DOWNSTREAM: FROM_FIRST, UPSTREAM: TO_FIRST },
    fromId: 'f.id',
    toId: 'a.run_id',
    where: `a.direction = 'INPUT'`,
  },
  {
    from: 'RUN',
    to: 'LOGGED_DATASET',
    kind: 'OUTPUT',
    table: { DOWNSTREAM: TO_FIRST, UPSTREAM: FROM_FIRST },
    fromId: 'a.run_id',
    toId: 'f.id',
    where: `a.direction = 'OUTPUT'`,
  },
  {
    from: 'LOGGED_MODEL',
    to: 'RUN',
    kind: 'INPUT',
    table: 'run_model a',
    fromId: 'a.logged_model_id',
    toId: 'a.run_id',
    where: `a.direction = 'INPUT'`,
  },
  {
    from: 'RUN',
    to: 'LOGGED_MODEL',
    kind: 'OUTPUT',
    table: 'run_model a',
    fromId: 'a.run_id',
    toId: 'a.logged_model_id',
    where: `a.direction = 'OUTPUT'`,
  },
  {
    from: 'RUN',
    to: 'LOGGED_MODEL',
    kind: 'OUTPUT',
    table: 'logged_model a',
    fromId: 'a.run_id',
    toId: 'a.id',
    where: 'a.run_id is not null',
  },
  {
    from: 'RUN',
    to: 'MODEL_VERSION',
    kind: 'REGISTERED_AS',
    table: 'model_version a',
    fromId: 'a.run_id',
    toId: 'a.id',
    where: 'a.run_id is not null',
  },
  {
    from: 'LOGGED_MODEL',
    to: 'MODEL_VERSION',
    kind: 'REGISTERED_AS',
    table: 'model_version a',
    fromId: 'a.logged_model_id',
    toId: 'a.id',
    where: 'a.logged_model_id is not null',
  },
  {
    from: 'DATASET',
    to: 'JOB',
    kind: 'INPUT',
    table: 'job a',
    fromId: 'a.dataset_id',
    toId: 'a.id',
    where: 'a.dataset_id is not null',
  },
  {
    from: 'MODEL_VERSION',
    to: 'JOB',
    kind: 'INPUT',
    table: 'job a',
    fromId: 'a.model_version_id',
    toId: 'a.id',
    where: 'a.model_version_id is not null',
  },
  {
    from: 'JOB',
    to: 'RUN',
    kind: 'RAN',
    table: 'job a',
    fromId: 'a.id',
    toId: 'a.run_id',
    where: `a.run_id is not null and a.kind = 'TRAINING'`,
  },
  {
    from: 'JOB',
    to: 'ARTIFACT',
    kind: 'OUTPUT',
    table: 'artifact a',
    fromId: 'a.job_id',
    toId: 'a.id',
    where: 'a.job_id is not null',
  },
  {
    from: 'MODEL_VERSION',
    to: 'DEPLOYMENT',
    kind: 'DEPLOYED_AS',
    table: 'deployment a',
    fromId: 'a.model_version_id',
    toId: 'a.id',
  },
  {
    from: 'DEPLOYMENT',
    to: 'ENDPOINT',
    kind: 'SERVED_AT',
    table: 'deployment a',
    fromId: 'a.id',
    toId: 'a.endpoint_id',
  },
  {
    from: 'DEPLOYMENT',
    to: 'PREDICTION_LOG',
    kind: 'LOGGED',
    table: 'deployment a',
    fromId: 'a.id',
    toId: 'a.id',
    where: 'exists (select from prediction_log p where p.tenant = a.tenant and p.deployment_id = a.id)',
  },
  { from: 'DEPLOYMENT', to: 'ALERT', kind: 'RAISED', table: 'alert a', fromId: 'a.deployment_id', toId: 'a.id' },
  {
    from: 'ALERT',
    to: 'JOB',
    kind: 'TRIGGERED',
    table: 'job a',
    fromId: 'a.alert_id',
    toId: 'a.id',
    where: 'a.alert_id is not null',
  },
];

interface LinkRow {
  kind: LineageEdgeKind;
  fromType: LineageType;
  fromId: string;
  toType: LineageType;
  toId: string;
}

/** All links of a level, in one statement. Of each kind the newest links, at most one more than a graph can hold. */
export async function linksOf(
  session: Session,
  direction: LineageDirection,
  frontier: readonly LineageRef[],
): Promise<{ links: LineageLink[]; isCut: boolean }> {
  const near = direction === 'DOWNSTREAM' ? 'from' : 'to';
  const ids = Map.groupBy(frontier, ({ type }) => type);
  const rules = RULES.filter((rule) => ids.has(rule[near]));
  if (rules.length === 0) return { links: [], isCut: false };
  const parts = rules.map(({ from, to, kind, table, fromId, toId, where }) => {
    const [nearId, farId] = near === 'from' ? [fromId, toId] : [toId, fromId];
    const source = typeof table === 'string' ? table : table[direction];
    return `(select distinct '${kind}' as kind, '${from}' as "fromType", ${fromId} as "fromId", '${to}' as "toType",
      ${toId} as "toId", ${farId} as far
      from ${source} where a.tenant = ? and ${nearId} = any(?::uuid[])${where ? ` and ${where}` : ''}
        order by far desc limit ${MAX_LINEAGE_NODES + 1})`;
  });
  const rows = await sql<LinkRow>(
    session.em,
    parts.join('\nunion all '),
    rules.flatMap((rule) => [session.tenant, ids.get(rule[near])!.map(({ id }) => id)]),
  );
  const counts = Map.groupBy(rows, ({ kind, fromType, toType }) => `${fromType} ${kind} ${toType}`);
  return {
    links: rows.map(({ kind, fromType, fromId, toType, toId }) => ({
      kind,
      from: { type: fromType, id: fromId },
      to: { type: toType, id: toId },
    })),
    isCut: [...counts.values()].some(({ length }) => length > MAX_LINEAGE_NODES),
  };
}
