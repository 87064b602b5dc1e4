import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { contributedEnum, describeEnum, KeyValue } from '../types/common.types.js';
import { DateTime } from '../types/scalars.js';
import { Range } from '../types/range.js';
import { MAX_LINEAGE_DEPTH } from '../../modules/lineage/index.js';

export const LineageTypeEnum = contributedEnum(
  'LineageType',
  'Type of a node in a lineage graph. The query with the same name finds its id.',
);

export const LineageEdgeKindEnum = contributedEnum(
  'LineageEdgeKind',
  'Kind of relation between two nodes of a lineage graph.',
);

export const LineageDirection = describeEnum(
  'LineageDirection',
  'Direction in which to follow the lineage from the start.',
  {
    UPSTREAM: 'To the objects that the start was made from.',
    DOWNSTREAM: 'To the objects that were made from the start.',
    BOTH: 'Both directions. Other objects that were made from the same origins are not included.',
  },
);

@InputType({ description: 'Start and depth of a lineage query.' })
export class LineageInput {
  @Field(() => ID, { description: 'Id of the object at the start; NOT_FOUND when no object of this type has this id.' })
  id!: string;

  @Field(() => LineageTypeEnum.values, { description: 'Type of the object with this id.' })
  type!: string;

  @Field(() => LineageDirection, {
    defaultValue: 'BOTH',
    description: 'Direction to follow from the start: upstream, downstream or both.',
  })
  direction!: keyof typeof LineageDirection;

  @Range({ min: 1, max: MAX_LINEAGE_DEPTH, unit: 'steps' })
  @Field(() => Int, { defaultValue: 5, description: 'Maximum distance from the start.' })
  depth!: number;
}

@ObjectType({ description: 'An object in a lineage graph.' })
export class LineageNode {
  @Field(() => String, { description: 'Key of the node, unique within the graph and used by the edges: type and id.' })
  key!: string;

  @Field(() => ID, { description: 'Opaque id (UUID) of the object, for other queries.' })
  id!: string;

  @Field(() => LineageTypeEnum.values, { description: 'Type of the object; it says which query finds the id.' })
  type!: string;

  @Field(() => String, { description: 'Name for people, e.g. `cars v2` for a dataset.' })
  name!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Status of a run, job, deployment or alert, or stage of a version; null for types without a status.',
  })
  status?: string | null;

  @Field(() => DateTime, { description: 'Time of creation, UTC; for a prediction log, the time of its oldest entry.' })
  createdAt!: Date;

  @Field(() => [KeyValue], {
    description:
      'More properties, by type: stage of a version, number of rows of a dataset, numbers of ' +
      'requests and rows of a prediction log …',
  })
  properties!: KeyValue[];

  @Field(() => Int, { description: 'Number of steps from the start: negative upstream, positive downstream.' })
  distance!: number;
}

@ObjectType({ description: 'An edge of a lineage graph, from the earlier object to the later one.' })
export class LineageEdge {
  @Field(() => String, { description: '`key` of the node where the edge starts.' })
  from!: string;

  @Field(() => String, { description: '`key` of the node where the edge ends.' })
  to!: string;

  @Field(() => LineageEdgeKindEnum.values, { description: 'How the two nodes are related.' })
  kind!: string;
}

@ObjectType({ description: 'Lineage graph: where an object came from, and what was made from it.' })
export class Lineage {
  @Field(() => LineageNode, { description: 'Node where the graph starts.' })
  start!: LineageNode;

  @Field(() => [LineageNode], { description: 'At most 1,000 nodes, the nearest first, including the start.' })
  nodes!: LineageNode[];

  @Field(() => [LineageEdge], { description: 'Edges between the nodes.' })
  edges!: LineageEdge[];

  @Field(() => Boolean, {
    description:
      'Whether nodes are missing because there are more than 1,000; query again with less depth, or ' +
      'in one direction.',
  })
  isCut!: boolean;
}
