import { ArgsType, Field, Int, ObjectType, type ClassType } from 'type-graphql';
import type { Page } from '../../db/pagination.js';
import { SafeInt } from './scalars.js';

@ObjectType({ description: 'Where a page ends and whether another follows.' })
export class PageInfo {
  @Field(() => String, {
    nullable: true,
    description: 'Cursor of the last edge; pass it as `after` for the next page. Null on an empty page.',
  })
  endCursor!: string | null;

  @Field(() => Boolean, { description: 'True when a page follows.' })
  hasNextPage!: boolean;
}

@ArgsType()
export class PageArgs {
  @Field(() => Int, { nullable: true, description: 'Edges per page, 1 to 500; 50 when absent.' })
  first?: number | null;

  @Field(() => String, {
    nullable: true,
    description: '`pageInfo.endCursor` of the page before; absent for the first page.',
  })
  after?: string | null;
}

/**
 * The Relay connection of a node type: `edges`, `nodes`, `pageInfo` and a `totalCount` that is counted only when
 * selected.
 */
export function connectionOf<T extends object>(node: ClassType<T>, name: string, plural: string): ClassType<object> {
  @ObjectType(`${name}Edge`, { description: `One of the ${plural} on a page.` })
  class Edge {
    @Field(() => String, { description: 'Opaque position of the node in this order.' })
    cursor!: string;

    @Field(() => node, { description: 'The item itself.' })
    node!: T;
  }

  @ObjectType(`${name}Connection`, {
    description: `Up to \`first\` ${plural} of a list, with where to go on.`,
    simpleResolvers: true,
  })
  class PageOf {
    @Field(() => [Edge], { description: 'The items with their cursors, in order.' })
    edges!: Edge[];

    @Field(() => [node], { description: 'The items alone, in order.' })
    nodes!: T[];

    @Field(() => PageInfo, { description: 'Where the page ends.' })
    pageInfo!: PageInfo;

    @Field(() => SafeInt, { description: 'Items on all pages; counted only when selected.' })
    totalCount!: number | (() => Promise<number>);
  }
  return PageOf;
}

/** A page as the connection type shows it. */
export function toConnection<T>(page: Page<T>, count: () => Promise<number>): object {
  return {
    edges: page.nodes.map((node, i) => ({ node, cursor: page.cursors[i] })),
    nodes: page.nodes,
    pageInfo: { endCursor: page.cursors.at(-1) ?? null, hasNextPage: page.hasNextPage },
    totalCount: count,
  };
}
