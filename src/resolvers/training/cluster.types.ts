import { Field, Float, ID, Int, ObjectType } from 'type-graphql';
import { describeEnum } from '../types/common.types.js';
import { DateTime } from '../types/scalars.js';

const WorkStatusEnum = describeEnum('ClusterJobStatus', 'State of a job on a cluster, as the cluster calls it.', {
  PENDING: 'It waits for resources or for its environment.',
  RUNNING: 'Its program runs on the cluster.',
  STOPPED: 'It was stopped.',
  SUCCEEDED: 'Its program ended without an error.',
  FAILED: 'Its program ended with an error, or could not be started.',
});

@ObjectType({ description: 'An amount of one resource, of a node or of a request that waits.' })
export class ResourceAmount {
  @Field(() => String, { description: 'Name of the resource in the cluster, e.g. CPU, GPU, memory (in bytes).' })
  name!: string;

  @Field(() => Float, { description: 'Amount in the unit of the resource.' })
  amount!: number;
}

@ObjectType({ description: 'All there is of one resource in a cluster.' })
export class ClusterResource {
  @Field(() => String, { description: 'Name of the resource in the cluster, e.g. CPU, GPU, memory (in bytes).' })
  name!: string;

  @Field(() => Float, { description: 'Amount of all nodes that are alive.' })
  total!: number;

  @Field(() => Float, { nullable: true, description: 'Amount in use; null when the cluster does not report it.' })
  used!: number | null;
}

@ObjectType('ClusterNode', { description: 'One machine of a cluster, with its resources.' })
export class ClusterNodeType {
  @Field(() => ID, { description: 'Id of the node in the cluster.' })
  id!: string;

  @Field(() => String, { description: 'Network address of the node.' })
  address!: string;

  @Field(() => Boolean, { description: 'Whether it leads the cluster.' })
  isHead!: boolean;

  @Field(() => Boolean, { description: 'Whether it works; dead nodes stay listed for a while.' })
  isAlive!: boolean;

  @Field(() => [ResourceAmount], { description: 'Resources of the node, by name.' })
  resources!: ResourceAmount[];
}

@ObjectType({ description: 'Requests of the same size that wait for resources.' })
export class ClusterDemand {
  @Field(() => [ResourceAmount], { description: 'Resources of one request, by name.' })
  resources!: ResourceAmount[];

  @Field(() => Int, { description: 'Number of such requests.' })
  count!: number;
}

@ObjectType('ClusterJob', { description: 'Work of a job of your tenant on a cluster.' })
export class ClusterJobType {
  @Field(() => ID, { description: 'Id in the cluster, as in `external` of the job.' })
  id!: string;

  @Field(() => WorkStatusEnum, { description: 'State in the cluster.' })
  status!: keyof typeof WorkStatusEnum;

  @Field(() => String, {
    description: 'What the cluster says about it, e.g. for which resources it waits; may be empty.',
  })
  message!: string;

  @Field(() => DateTime, { nullable: true, description: 'Start on the cluster; null before it.' })
  startedAt!: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'End on the cluster; null before it.' })
  endedAt!: Date | null;

  jobId!: string;
}

@ObjectType('Cluster', { description: 'The cluster on which trainings run, as it is now.' })
export class ClusterType {
  @Field(() => String, { description: 'The kind of cluster: `ray`.' })
  backend!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'Why the cluster cannot be read, e.g. it is away or refuses the token: one sentence. Null when it can; otherwise ' +
      'the version is null and the lists are empty.',
  })
  problem!: string | null;

  @Field(() => String, { nullable: true, description: 'Version of the cluster’s software.' })
  version!: string | null;

  @Field(() => [ClusterNodeType], { description: 'Nodes, the head first, then by address.' })
  nodes!: ClusterNodeType[];

  @Field(() => [ClusterResource], { description: 'Resources of all nodes that are alive, by name.' })
  resources!: ClusterResource[];

  @Field(() => [ClusterDemand], { description: 'Requests that wait for resources, equal ones together.' })
  waiting!: ClusterDemand[];

  @Field(() => [ResourceAmount], {
    description:
      'What autoscaling would have to add, by resource: what waits beyond what is free. Empty when that is nothing. A ' +
      'request may wait although nothing is missing, when no single node has room for it.',
  })
  missing!: ResourceAmount[];

  @Field(() => [ClusterJobType], {
    description: 'Work of your tenant’s jobs that the cluster remembers, newest first.',
  })
  jobs!: ClusterJobType[];
}
