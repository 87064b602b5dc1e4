import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { LineageEdgeKind as EdgeKind, LineageType as NodeType } from '../../modules/lineage/index.js';
import { describeEnum, KeyValue } from '../types/common.types.js';
import { DateTime } from '../types/scalars.js';

export const LineageType = describeEnum<NodeType>(
  'LineageType',
  'What a node of a lineage graph is; its id finds it by the query of that name.',
  {
    DATASET: 'A registered dataset version.',
    LOGGED_DATASET:
      'Data that clients said they read or wrote: one node for all runs that logged the same name and digest.',
    RUN: 'One execution that was tracked.',
    LOGGED_MODEL: 'A model as a run made it, before anybody registered it.',
    MODEL_VERSION: 'A version in the registry.',
    JOB: 'Work of this service: training, evaluation, validation, batch inference, conversion.',
    ARTIFACT: 'A file that a job wrote, such as the predictions of a batch inference.',
    DEPLOYMENT: 'A version on an engine.',
    ENDPOINT: 'The stable name that clients call.',
    PREDICTION_LOG: 'All logged predictions of a deployment as one node, which has the deployment’s id.',
    ALERT: 'A warning about a deployment’s traffic, which may have started a retraining.',
  },
);

export const LineageEdgeKind = describeEnum<EdgeKind>('LineageEdgeKind', 'How one thing led to another.', {
  INPUT: 'Data or a model that was read.',
  OUTPUT: 'Data, a model or a file that was made.',
  SAME_DATA: 'A registered dataset and what a client logged are the same data.',
  REGISTERED_AS: 'Became a version of a model.',
  DEPLOYED_AS: 'Was put on an engine.',
  SERVED_AT: 'Answered the calls to an endpoint.',
  LOGGED: 'Left its predictions.',
  RAISED: 'Gave cause for an alert.',
  TRIGGERED: 'Started a retraining.',
  RAN: 'A job whose work is that run.',
});

export const LineageDirection = describeEnum('LineageDirection', 'Which way to follow from where one starts.', {
  UPSTREAM: 'To what it came from.',
  DOWNSTREAM: 'To what came of it.',
  BOTH: 'Both ways; not to other things that came from the same origins.',
});

@InputType({ description: 'Where to start in the lineage, and how far to go.' })
export class LineageInput {
  @Field(() => ID, { description: 'Id of the thing to start from; NOT_FOUND when there is none of this type.' })
  id!: string;

  @Field(() => LineageType, { description: 'What the id stands for.' })
  type!: NodeType;

  @Field(() => LineageDirection, { defaultValue: 'BOTH', description: 'Which way to follow.' })
  direction!: keyof typeof LineageDirection;

  @Field(() => Int, { defaultValue: 5, description: 'Steps from the start at most, 1 to 10.' })
  depth!: number;
}

@ObjectType({ description: 'A thing in a lineage graph.' })
export class LineageNode {
  @Field(() => String, { description: 'Unique within the graph, which edges name it by: type and id.' })
  key!: string;

  @Field(() => ID, { description: 'Opaque id (UUID) of the thing itself, for other queries.' })
  id!: string;

  @Field(() => LineageType, { description: 'Kind of thing, which says by which query its id is found.' })
  type!: NodeType;

  @Field(() => String, { description: 'For people, e.g. `cars v2` of a dataset.' })
  name!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Where a run, job, version, deployment or alert stands; null for what has no state.',
  })
  status?: string | null;

  @Field(() => DateTime, { description: 'When it came to be, UTC; of a prediction log its oldest entry.' })
  createdAt!: Date;

  @Field(() => [KeyValue], {
    description:
      'What else is worth showing, by type: stage of a version, rows of a dataset, requests and rows of a ' +
      'prediction log …',
  })
  properties!: KeyValue[];

  @Field(() => Int, { description: 'Steps from the start: negative upstream, positive downstream.' })
  distance!: number;
}

@ObjectType({ description: 'An arrow of a lineage graph, from what was there before to what came of it.' })
export class LineageEdge {
  @Field(() => String, { description: '`key` of the node that it begins at.' })
  from!: string;

  @Field(() => String, { description: '`key` of the node that it leads to.' })
  to!: string;

  @Field(() => LineageEdgeKind, { description: 'How the one led to the other.' })
  kind!: EdgeKind;
}

@ObjectType({ description: 'Where something came from, and what came of it.' })
export class Lineage {
  @Field(() => LineageNode, { description: 'Where the graph starts.' })
  start!: LineageNode;

  @Field(() => [LineageNode], { description: 'At most 1,000, the nearest first, the start included.' })
  nodes!: LineageNode[];

  @Field(() => [LineageEdge], { description: 'Arrows between the nodes.' })
  edges!: LineageEdge[];

  @Field(() => Boolean, {
    description: 'Whether there is more than 1,000 nodes hold: ask with less depth, or in one direction.',
  })
  isCut!: boolean;
}
