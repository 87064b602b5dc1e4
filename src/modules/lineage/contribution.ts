import type { EntityManager } from '@mikro-orm/postgresql';
import type { AliasedExpression, Expression, SelectQueryBuilder } from 'kysely';
import { jsonBuildObject } from 'kysely/helpers/postgres';

/** How a graph is walked: `near` is the end of the links at which the known nodes are. */
interface LineageWalk {
  em: EntityManager;
  near: 'from' | 'to';
}

// Which tables a query reads does not matter to the graph.
type Query<Row> = Pick<SelectQueryBuilder<never, never, Row>, 'as'>;

interface NodeRow {
  tenant: string;
  id: string;
  name: string;
  status: string | null;
  createdAt: Date;
  properties: Record<string, unknown>;
}

export interface LineageNodeType {
  about: string;
  /** All objects of this type, of all tenants: the graph picks those that it needs. */
  rows(walk: Pick<LineageWalk, 'em'>): Query<NodeRow>;
  /** The node of each object, where several objects are one node; an object is its own node when absent. */
  nodeIds?(walk: Pick<LineageWalk, 'em'>): Query<{ tenant: string; id: string; nodeId: string }>;
}

export interface LineageLinkType {
  /** Types of nodes, of this or of another module. */
  from: string;
  to: string;
  /** Kind of edge, of this or of another module. */
  kind: string;
  /** All links; those with a null end do not count. */
  rows(walk: LineageWalk): Query<{ tenant: string; fromId: string | null; toId: string | null }>;
}

/** What a module adds to lineage graphs: nodes and links that its own tables hold. */
export interface LineageContribution {
  nodes?: Readonly<Record<string, LineageNodeType>>;
  /** New kinds of edges, each with its meaning for the API. */
  edgeKinds?: Readonly<Record<string, string>>;
  links?: readonly LineageLinkType[];
}

/** Declares what a module adds to lineage graphs, in terms of its own tables. */
export const defineLineage = (contribution: LineageContribution): LineageContribution => contribution;

/** The column with the properties of a node. */
export const properties = (
  values: Record<string, Expression<unknown>>,
): AliasedExpression<Record<string, unknown>, 'properties'> =>
  jsonBuildObject(values).$castTo<Record<string, unknown>>().as('properties');
