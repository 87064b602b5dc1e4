import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import {
  LineageGraph,
  lineageKey,
  type LineageDirection,
  type LineageLink,
  type LineageRef,
  type LineageType,
} from './rules/lineage.js';
import { notFound } from '../../errors.js';
import { linksOf } from './lineage-links.js';
import type { TagEntry } from '../experiments/index.js';

export interface LineageInput {
  id: string;
  type: LineageType;
  direction: LineageDirection | 'BOTH';
  depth: number;
}

export interface LineageNode extends LineageRef {
  key: string;
  name: string;
  status: string | null;
  createdAt: Date;
  properties: TagEntry[];
  distance: number;
}

export interface Lineage {
  start: LineageNode;
  nodes: LineageNode[];
  edges: { from: string; to: string; kind: LineageLink['kind'] }[];
  isCut: boolean;
}

/** The SQL that reads the nodes of each type: name, status, time and other facts worth showing. */
const NODES: Record<LineageType, string> = {
  DATASET: `select a.id, a.name || ' v' || a.version as name, null as status, a.created_at,
    json_build_object('name', a.name, 'version', a.version, 'format', a.format, 'rowCount',
      a.row_count) as properties from dataset a`,
  LOGGED_DATASET: `select a.id, a.name, null, a.created_at,
    json_build_object('digest', a.digest, 'sourceType', a.source_type, 'source', left(a.source, 1000))
      from logged_dataset a`,
  RUN: `select a.id, a.name, a.status, a.created_at,
    json_build_object('experimentId', a.experiment_id, 'state', a.state, 'createdBy', a.created_by) from run a`,
  LOGGED_MODEL: `select a.id, a.name, a.status, a.created_at,
    json_build_object('experimentId', a.experiment_id, 'modelType', a.model_type, 'state', a.state)
      from logged_model a`,
  MODEL_VERSION: `select a.id, m.name || ' v' || a.version, a.status, a.created_at,
    json_build_object('modelId', a.model_id, 'version', a.version, 'semanticVersion', a.semantic_version, 'stage',
      a.stage)
    from model_version a join model m on m.tenant = a.tenant and m.id = a.model_id`,
  JOB:
    `select a.id, lower(replace(a.kind, '_', ' ')), a.status, a.created_at, json_build_object('kind', ` +
    `a.kind, 'createdBy', a.created_by) from job a`,
  ARTIFACT: `select a.id, a.path, null, a.created_at,
    json_build_object('sizeBytes', a.size_bytes, 'sha256', a.sha256, 'contentType', a.content_type) from artifact a`,
  DEPLOYMENT: `select a.id, m.name || ' v' || v.version || ' at ' || e.name, a.status, a.created_at,
    json_build_object('mode', a.mode, 'weightBps', a.weight_bps, 'engine', a.engine, 'endpointId', a.endpoint_id)
    from deployment a join endpoint e on e.tenant = a.tenant and e.id = a.endpoint_id
    join model_version v on v.tenant = a.tenant and v.id = a.model_version_id join model m on m.tenant = v.tenant
      and m.id = v.model_id`,
  ENDPOINT:
    `select a.id, a.name, null, a.created_at, json_build_object('modelId', a.model_id, 'followStage', ` +
    `a.follow_stage, 'followAlias', a.follow_alias) from endpoint a`,
  PREDICTION_LOG: `select a.id, 'predictions at ' || e.name, null, l.first_at,
    json_build_object('requests', c.requests, 'rows', c.rows, 'errors', c.errors, 'loggedFrom', l.first_at,
      'loggedTo', l.last_at)
    from deployment a join endpoint e on e.tenant = a.tenant and e.id = a.endpoint_id
    join lateral (select min(created_at) as first_at, max(created_at) as last_at from prediction_log p
      where p.tenant = a.tenant and p.deployment_id = a.id) l on l.first_at is not null
    cross join lateral (select coalesce(sum(requests), 0) as requests, coalesce(sum(rows), 0) as rows,
      coalesce(sum(errors), 0) as errors
      from deployment_minute d where d.tenant = a.tenant and d.deployment_id = a.id) c`,
  ALERT: `select a.id, lower(replace(a.kind, '_', ' ')) || ' alert', a.status, a.created_at,
    json_build_object('kind', a.kind, 'message', a.message, 'value', a.value, 'threshold', a.threshold) from alert a`,
};

/** The graph from data through runs and versions to deployments and predictions, in both directions. */
export class LineageService {
  /** Uses a fixed number of statements per level: one in each direction. NOT_FOUND when the start does not exist. */
  async graph(session: Session, { id, type, direction, depth }: LineageInput): Promise<Lineage> {
    const start = await this.startOf(session, { type, id });
    const graph = new LineageGraph(start);
    for (const way of direction === 'BOTH' ? (['UPSTREAM', 'DOWNSTREAM'] as const) : [direction]) {
      await graph.grow(way, depth, (frontier) => linksOf(session, way, frontier));
    }
    const nodes = await nodesOf(session, graph);
    const known = new Set(nodes.map(({ key }) => key));
    const edges = graph.links.map(({ from, to, kind }) => ({ from: lineageKey(from), to: lineageKey(to), kind }));
    return {
      start: nodes.find(({ key }) => key === lineageKey(start))!,
      nodes,
      edges: edges.filter(({ from, to }) => known.has(from) && known.has(to)),
      isCut: graph.isCut,
    };
  }

  /** The node of an id. Data that several runs logged is one node. */
  private async startOf(session: Session, { type, id }: LineageRef): Promise<LineageRef> {
    const [found] = await sql<{ id: string }>(
      session.em,
      type === 'LOGGED_DATASET'
        ? `select g.id from logged_dataset a join logged_dataset g on g.tenant = a.tenant and g.name = a.name
          and g.digest = a.digest
           where a.tenant = ? and a.id = ? order by g.id limit 1`
        : `${NODES[type]} where a.tenant = ? and a.id = ?`,
      [session.tenant, id],
    );
    if (!found) throw notFound(type.toLowerCase().replaceAll('_', ' '), id);
    return { type, id: found.id };
  }
}

interface NodeRow {
  type: LineageType;
  id: string;
  name: string;
  status: string | null;
  createdAt: Date;
  properties: Record<string, unknown>;
}

/** Reads all nodes in one statement, nearest first. */
async function nodesOf(session: Session, graph: LineageGraph): Promise<LineageNode[]> {
  const byType = Map.groupBy(
    [...graph.distances.values()].map(({ ref }) => ref),
    ({ type }) => type,
  );
  const parts = [...byType.keys()].map(
    (type) => `select '${type}' as type, n.id, n.name, n.status, n.created_at as "createdAt", n.properties
      from (${NODES[type]} where a.tenant = ? and a.id = any(?::uuid[])) n (id, name, status, created_at, properties)`,
  );
  const rows = await sql<NodeRow>(
    session.em,
    parts.join('\nunion all '),
    [...byType.values()].flatMap((refs) => [session.tenant, refs.map(({ id }) => id)]),
  );
  const distanceOf = (row: NodeRow): number => graph.distances.get(lineageKey(row))!.distance;
  return rows
    .map((row) => ({
      ...row,
      key: lineageKey(row),
      distance: distanceOf(row),
      properties: Object.entries(row.properties)
        .filter(([, value]) => value !== null)
        .map(([key, value]) => ({ key, value: String(value) })),
    }))
    .sort((a, b) => Math.abs(a.distance) - Math.abs(b.distance) || a.distance - b.distance || (a.key < b.key ? -1 : 1));
}
