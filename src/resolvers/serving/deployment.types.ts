import { ArgsType, Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { connectionOf } from '../types/connection.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { DateTime, SafeInt } from '../types/scalars.js';
import { GateResultType } from '../registry/gate.types.js';
import { BatchingPolicy, EndpointType } from './endpoint.types.js';

export const DeploymentMode = describeEnum('DeploymentMode', 'What a deployment does with traffic.', {
  LIVE: 'Answers its share of the requests.',
  SHADOW: 'Gets a copy of every answered request; its answers are compared with the live ones and never returned.',
});

export const DeploymentStatus = describeEnum('DeploymentStatus', 'Where a deployment stands.', {
  PENDING: 'Its model is being loaded.',
  READY: 'Loaded, and answering what its mode and weight give it.',
  FAILED: 'Its model could not be loaded; `error` says why.',
  STOPPED: 'Was undeployed, or gave way to a newer version.',
});

type DeploymentOrderBy = 'createdAt' | 'updatedAt';

export const DeploymentOrderField = describeOrderFields<DeploymentOrderBy>(
  'DeploymentOrderField',
  'What deployments can be ordered by.',
  {
    CREATED_AT: ['createdAt', 'When they were asked for.'],
    UPDATED_AT: ['updatedAt', 'When they last changed.'],
  },
);

@ObjectType('Deployment', { description: 'A model version at an endpoint.' })
export class DeploymentType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => DeploymentMode, { description: 'What it does with traffic.' })
  mode!: keyof typeof DeploymentMode;

  @Field(() => DeploymentStatus, { description: 'Where it stands.' })
  status!: keyof typeof DeploymentStatus;

  @Field(() => Int, {
    description:
      'Share of the endpoint’s requests in basis points, 0 to 10,000; while PENDING the share that it will ' +
      'take. 0 for shadows and stopped ones.',
  })
  weightBps!: number;

  @Field(() => BatchingPolicy, {
    description: 'Whether its requests may run together; its endpoint’s NEVER counts too.',
  })
  batching!: keyof typeof BatchingPolicy;

  @Field(() => String, { description: 'Engine that runs it: `onnx`.' })
  engine!: string;

  @Field(() => String, { nullable: true, description: 'Why it FAILED, in words; null otherwise.' })
  error?: string | null;

  @Field(() => String, { description: 'Subject of the token that deployed the version, or promoted it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it was asked for, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'When it last changed, UTC.' })
  updatedAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When it failed or was stopped, UTC; null while it serves.' })
  endedAt?: Date | null;

  /** Shown as objects. */
  endpointId!: string;
  modelVersionId!: string;
}

export const DeploymentConnection = connectionOf(DeploymentType, 'Deployment', 'deployments');

@ArgsType()
export class TrafficArgs {
  @Field(() => DateTime, {
    nullable: true,
    description: 'Count minutes that begin at or after this; from the first when absent.',
  })
  from?: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'Count minutes that begin before this; to the last when absent.',
  })
  to?: Date | null;
}

@ObjectType('DeploymentTraffic', {
  description: 'What a deployment has served, by exact counters of whole minutes that are at most some seconds behind.',
})
export class DeploymentTraffic {
  @Field(() => SafeInt, { description: 'Requests answered or failed; a shadow’s are copies.' })
  requests!: number;

  @Field(() => SafeInt, { description: 'Rows of the requests that were answered.' })
  rows!: number;

  @Field(() => SafeInt, {
    description: 'Requests that failed by fault of the model or of this service; wrong inputs do not count.',
  })
  errors!: number;

  @Field(() => Float, { nullable: true, description: 'Errors per request, 0 to 1; null without requests.' })
  errorRate!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Median latency in milliseconds, within 19 %; null without requests.',
  })
  latencyP50Ms!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: '95th percentile of the latency in milliseconds, within 19 %; null without requests.',
  })
  latencyP95Ms!: number | null;

  @Field(() => SafeInt, {
    description: 'Rows that a shadow and the live version both answered; 0 for live deployments.',
  })
  comparedRows!: number;

  @Field(() => SafeInt, {
    description:
      'Of those, rows that the shadow answered differently: another class, a value off by half a standard ' +
      'deviation, another cluster.',
  })
  disagreements!: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Disagreements per compared row, 0 to 1; null when no row was compared.',
  })
  disagreementRate!: number | null;
}

@InputType({ description: 'Which deployments to list; every given field must hold.' })
export class DeploymentFilterInput {
  @Field(() => ID, { nullable: true, description: 'Deployments at this endpoint. NOT_FOUND when there is none.' })
  endpointId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Deployments of this model version. NOT_FOUND when there is none.' })
  modelVersionId?: string | null;

  @Field(() => [DeploymentStatus], { nullable: true, description: 'Deployments in one of these states.' })
  status?: (keyof typeof DeploymentStatus)[] | null;

  @Field(() => DeploymentMode, { nullable: true, description: 'Live or shadow deployments alone.' })
  mode?: keyof typeof DeploymentMode | null;
}

@InputType({
  description:
    'The order of a list of deployments: by what, and which end comes first. Equal ones are in the order of their ids.',
})
export class DeploymentOrderInput {
  @Field(() => DeploymentOrderField, { description: 'What to order by.' })
  field!: DeploymentOrderBy;

  @Field(() => OrderDirection, { description: 'Which end comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'A model version to serve at an endpoint.' })
export class DeployModelVersionInput {
  @Field(() => ID, {
    description:
      'The endpoint. NOT_FOUND when there is none; CONFLICT for a LIVE deployment at one that follows a stage.',
  })
  endpointId!: string;

  @Field(() => ID, {
    description:
      'A READY version, in any stage, of the endpoint’s model. NOT_FOUND when there is none, CONFLICT when ' +
      'it is deployed there already.',
  })
  modelVersionId!: string;

  @Field(() => DeploymentMode, { description: 'Whether it answers requests or shadows them.' })
  mode!: keyof typeof DeploymentMode;

  @Field(() => Int, {
    nullable: true,
    description:
      'Share that a LIVE deployment takes once it is ready, in basis points, 0 to 10,000; the others keep ' +
      'their proportions. 0 when absent. Where nothing else is live it takes all.',
  })
  weightBps?: number | null;

  @Field(() => BatchingPolicy, {
    nullable: true,
    description:
      'Whether its requests may run together; AUTO when absent. It stays so: deploy the version anew to change it.',
  })
  batching?: keyof typeof BatchingPolicy | null;

  @Field(() => Int, {
    nullable: true,
    description:
      'Answers when its model is loaded or has failed, at the latest after so many milliseconds: 0 to ' +
      '60,000, at once when absent.',
  })
  waitMs?: number | null;
}

@InputType({ description: 'A live deployment’s share of its endpoint’s requests.' })
export class DeploymentWeightInput {
  @Field(() => ID, { description: 'A live, ready deployment of the endpoint. NOT_FOUND when there is none.' })
  deploymentId!: string;

  @Field(() => Int, { description: 'Basis points, 0 to 10,000.' })
  weightBps!: number;
}

@InputType({ description: 'How to split an endpoint’s traffic.' })
export class SetTrafficWeightsInput {
  @Field(() => ID, { description: 'The endpoint. NOT_FOUND when there is none, CONFLICT when it follows a stage.' })
  endpointId!: string;

  @Field(() => [DeploymentWeightInput], {
    description: 'Every live, ready deployment of the endpoint with its share; together 10,000.',
  })
  weights!: DeploymentWeightInput[];
}

@InputType({ description: 'A deployment to stop.' })
export class UndeployInput {
  @Field(() => ID, {
    description:
      'The deployment. NOT_FOUND when there is none, CONFLICT when it has ended or its endpoint follows a stage.',
  })
  deploymentId!: string;
}

@InputType({ description: 'A shadow deployment to judge.' })
export class DecideShadowInput {
  @Field(() => ID, {
    description: 'The shadow, running or stopped. NOT_FOUND when there is none, CONFLICT for a live deployment.',
  })
  deploymentId!: string;
}

@ObjectType({ description: 'The deployment after the mutation.' })
export class DeploymentPayload {
  @Field(() => DeploymentType, {
    description:
      'The deployment after this change, as a query would show it now. PENDING at first: `waitMs` waits ' +
      'until it is ready.',
  })
  deployment!: DeploymentType;

  @Field(() => Boolean, { description: 'Whether it gets requests now; a shadow gets copies of them.' })
  serves!: boolean;

  @Field(() => String, {
    nullable: true,
    description: 'Why it gets none, and what to do, as a sentence; null when it gets some.',
  })
  servingProblem!: string | null;
}

@ObjectType({ description: 'The endpoint after its traffic was split anew.' })
export class SetTrafficWeightsPayload {
  @Field(() => EndpointType, { description: 'The endpoint; its deployments carry the new weights.' })
  endpoint!: EndpointType;
}

@ObjectType({ description: 'What became of the shadow gate.' })
export class DecideShadowPayload {
  @Field(() => GateResultType, { description: 'The decision, with every condition and what was found.' })
  gateResult!: GateResultType;
}
