import { ArgsType, Field, Int, ObjectType, type ClassType } from 'type-graphql';
import type { Page } from '../../db/pagination.js';
import { SafeInt } from './scalars.js';
import { Range } from './range.js';
import { PAGE_SIZE } from '../../modules/core/index.js';

@ObjectType({ description: 'Cursor of the next page, and whether there is one.' })
export class PageInfo {
  @Field(() => String, {
    nullable: true,
    description: 'Cursor of the last edge; pass it as `after` for the next page. Null for an empty page.',
  })
  endCursor!: string | null;

  @Field(() => Boolean, { description: 'True when another page follows.' })
  hasNextPage!: boolean;
}

@ArgsType()
export class PageArgs {
  @Range(PAGE_SIZE)
  @Field(() => Int, { nullable: true, description: 'Number of items per page; 50 when absent.' })
  first?: number | null;

  @Field(() => String, {
    nullable: true,
    description: '`pageInfo.endCursor` of the previous page; absent for the first page.',
  })
  after?: string | null;
}

/**
 * The Relay connection of a node type: `edges`, `nodes`, `pageInfo` and a `totalCount` that is counted only when
 * selected.
 */
export function connectionOf<T extends object>(node: ClassType<T>, name: string, plural: string): ClassType<object> {
  @ObjectType(`${name}Edge`, { description: `One item on a page of ${plural}.` })
  class Edge {
    @Field(() => String, { description: 'Opaque cursor: the position of the item in this order.' })
    cursor!: string;

    @Field(() => node, { description: 'The item itself, without its cursor.' })
    node!: T;
  }

  @ObjectType(`${name}Connection`, {
    description: `One page of ${plural}, with the cursor of the next page.`,
    simpleResolvers: true,
  })
  class PageOf {
    @Field(() => [Edge], { description: 'Items with their cursors, in order.' })
    edges!: Edge[];

    @Field(() => [node], { description: 'Items without cursors, in order.' })
    nodes!: T[];

    @Field(() => PageInfo, { description: 'Cursor of the next page.' })
    pageInfo!: PageInfo;

    @Field(() => SafeInt, { description: 'Number of items on all pages; counted only when selected.' })
    totalCount!: number | (() => Promise<number>);
  }
  return PageOf;
}

/** A page in the form of the connection type. */
export function toConnection<T>(page: Page<T>, count: () => Promise<number>): object {
  return {
    edges: page.nodes.map((node, i) => ({ node, cursor: page.cursors[i] })),
    nodes: page.nodes,
    pageInfo: { endCursor: page.cursors.at(-1) ?? null, hasNextPage: page.hasNextPage },
    totalCount: count,
  };
}
