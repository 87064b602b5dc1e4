import { sql } from 'kysely';
import type { Session } from '../../db/database.js';
import { anyOf, tablesOf } from '../../db/tables.js';
import type { LineageContribution, LineageLinkType, LineageNodeType } from './contribution.js';
import { MAX_LINEAGE_NODES, type LineageDirection, type LineageLink, type LineageRef } from './rules/lineage.js';

const noTables = tablesOf();

export interface StoredNode extends LineageRef {
  name: string;
  status: string | null;
  createdAt: Date;
  properties: Record<string, unknown>;
}

/** Reads nodes and links of all modules, each set in one statement. */
export class LineageStore {
  private readonly nodes = new Map<string, LineageNodeType>();
  private readonly links: readonly LineageLinkType[];

  /** Fails for a link between nodes, or of a kind, that no module contributes. */
  constructor(contributions: readonly LineageContribution[]) {
    for (const { nodes = {} } of contributions)
      for (const [type, node] of Object.entries(nodes)) this.nodes.set(type, node);
    this.links = contributions.flatMap(({ links = [] }) => links);
    const kinds = new Set(contributions.flatMap(({ edgeKinds = {} }) => Object.keys(edgeKinds)));
    for (const { from, to, kind } of this.links) {
      if (!this.nodes.has(from) || !this.nodes.has(to) || !kinds.has(kind))
        throw new Error(`No module contributes all parts of the lineage link ${from} ${kind} ${to}.`);
    }
  }

  /**
   * All links of a level, in one statement: the newest of each sort, and at most one more of them than a graph can
   * hold.
   */
  async linksOf(
    { em, tenant }: Session,
    direction: LineageDirection,
    frontier: readonly LineageRef[],
  ): Promise<{ links: LineageLink[]; isCut: boolean }> {
    const [near, far] = direction === 'DOWNSTREAM' ? (['from', 'to'] as const) : (['to', 'from'] as const);
    const idsByType = Map.groupBy(frontier, ({ type }) => type);
    const [first, ...others] = this.links.flatMap((link) => {
      const refs = idsByType.get(link[near]);
      if (!refs) return [];
      const { from, to, kind } = link;
      const newest = noTables(em)
        .selectFrom(link.rows({ em, near }).as('l'))
        .distinct()
        .select([sql<string>`${sql.lit(kind)}`.as('kind'), sql<string>`${sql.lit(from)}`.as('fromType'), 'l.fromId'])
        .select([sql<string>`${sql.lit(to)}`.as('toType'), 'l.toId'])
        .where('l.tenant', '=', tenant)
        .where(
          `l.${near}Id`,
          '=',
          anyOf(
            'uuid',
            refs.map(({ id }) => id),
          ),
        )
        .where(`l.${far}Id`, 'is not', null)
        .orderBy(`l.${far}Id`, 'desc')
        .limit(MAX_LINEAGE_NODES + 1);
      // As a subquery, so that its order and its limit are its own.
      return [noTables(em).selectFrom(newest.as('n')).selectAll().$narrowType<{ fromId: string; toId: string }>()];
    });
    if (!first) return { links: [], isCut: false };
    const rows = await others.reduce((all, one) => all.unionAll(one), first).execute();
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

  /** All of these nodes, in one statement. */
  async read({ em, tenant }: Session, refs: readonly LineageRef[]): Promise<StoredNode[]> {
    const [first, ...others] = [...Map.groupBy(refs, ({ type }) => type)].map(([type, ofType]) =>
      noTables(em)
        .selectFrom(this.nodeType(type).rows({ em }).as('n'))
        .select([sql<string>`${sql.lit(type)}`.as('type'), 'n.id', 'n.name', 'n.status', 'n.createdAt', 'n.properties'])
        .where('n.tenant', '=', tenant)
        .where(
          'n.id',
          '=',
          anyOf(
            'uuid',
            ofType.map(({ id }) => id),
          ),
        ),
    );
    if (!first) return [];
    return others.reduce((all, one) => all.unionAll(one), first).execute();
  }

  /** The id of the node of an object; null when the object does not exist. */
  async nodeIdOf(session: Session, ref: LineageRef): Promise<string | null> {
    const { em, tenant } = session;
    const { nodeIds } = this.nodeType(ref.type);
    if (!nodeIds) return (await this.read(session, [ref]))[0]?.id ?? null;
    const found = await noTables(em)
      .selectFrom(nodeIds({ em }).as('o'))
      .select('o.nodeId')
      .where('o.tenant', '=', tenant)
      .where('o.id', '=', ref.id)
      .executeTakeFirst();
    return found?.nodeId ?? null;
  }

  private nodeType(type: string): LineageNodeType {
    const node = this.nodes.get(type);
    if (!node) throw new Error(`No module contributes the lineage type ${type}.`);
    return node;
  }
}
