import type { Session } from '../../db/database.js';
import { notFound } from '../../errors.js';
import type { LineageContribution } from './contribution.js';
import { LineageGraph, lineageKey, type LineageDirection, type LineageLink, type LineageRef } from './rules/lineage.js';
import { LineageStore } from './store.js';

export interface LineageInput {
  id: string;
  type: string;
  direction: LineageDirection | 'BOTH';
  depth: number;
}

export interface LineageNode extends LineageRef {
  key: string;
  name: string;
  status: string | null;
  createdAt: Date;
  properties: { key: string; value: string }[];
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
  private readonly store: LineageStore;

  constructor(contributions: readonly LineageContribution[]) {
    this.store = new LineageStore(contributions);
  }

  /** Uses a fixed number of statements per level: one in each direction. NOT_FOUND when the start does not exist. */
  async graph(session: Session, { id, type, direction, depth }: LineageInput): Promise<Lineage> {
    const start = await this.startOf(session, { type, id });
    const graph = new LineageGraph(start);
    for (const way of direction === 'BOTH' ? (['UPSTREAM', 'DOWNSTREAM'] as const) : [direction]) {
      await graph.grow(way, depth, (frontier) => this.store.linksOf(session, way, frontier));
    }
    const nodes = await this.nodesOf(session, graph);
    const known = new Set(nodes.map(({ key }) => key));
    const edges = graph.links.map(({ from, to, kind }) => ({ from: lineageKey(from), to: lineageKey(to), kind }));
    return {
      start: nodes.find(({ key }) => key === lineageKey(start))!,
      nodes,
      edges: edges.filter(({ from, to }) => known.has(from) && known.has(to)),
      isCut: graph.isCut,
    };
  }

  /** The node of an object. Data that several runs logged is one node. */
  private async startOf(session: Session, ref: LineageRef): Promise<LineageRef> {
    const id = await this.store.nodeIdOf(session, ref);
    if (id === null) throw notFound(ref.type.toLowerCase().replaceAll('_', ' '), ref.id);
    return { type: ref.type, id };
  }

  /** All nodes of the graph, nearest first. */
  private async nodesOf(session: Session, graph: LineageGraph): Promise<LineageNode[]> {
    const refs = [...graph.distances.values()].map(({ ref }) => ref);
    const rows = await this.store.read(session, refs);
    return rows
      .map((row) => ({
        ...row,
        key: lineageKey(row),
        distance: graph.distances.get(lineageKey(row))!.distance,
        properties: Object.entries(row.properties)
          .filter(([, value]) => value !== null)
          .map(([key, value]) => ({ key, value: String(value) })),
      }))
      .sort(
        (a, b) => Math.abs(a.distance) - Math.abs(b.distance) || a.distance - b.distance || (a.key < b.key ? -1 : 1),
      );
  }
}
