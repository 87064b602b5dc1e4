import type { Session } from '../../db/database.js';
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
import { nodeIdOf, readNodes, type NodeRow } from './stores/nodes.js';
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
    const nodeId = await nodeIdOf(session, { type, id });
    if (nodeId === null) throw notFound(type.toLowerCase().replaceAll('_', ' '), id);
    return { type, id: nodeId };
  }
}

/** Reads all nodes in one statement, nearest first. */
async function nodesOf(session: Session, graph: LineageGraph): Promise<LineageNode[]> {
  const byType = Map.groupBy(
    [...graph.distances.values()].map(({ ref }) => ref),
    ({ type }) => type,
  );
  const idsByType = new Map([...byType].map(([type, refs]) => [type, refs.map(({ id }) => id)]));
  const rows = await readNodes(session, idsByType);
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
