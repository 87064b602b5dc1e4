import { ArgsType, Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { connectionOf } from '../types/connection.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { DateTime, Json, SafeInt } from '../types/scalars.js';
import { GateResultType } from '../registry/gate.types.js';
import { BatchingPolicy, EndpointType } from './endpoint.types.js';
import { FanOutInput, FanOutType } from './fan-out.types.js';
import { Runtime } from './runtime.types.js';
import { SlaInput } from './sla-input.types.js';
import { Range, RangeOfModule } from '../types/range.js';
import { characters, FULL_WEIGHT_BPS } from '../../modules/core/index.js';
import { CallerAttributeInput } from './predict.types.js';
import { MAX_WAIT_MS } from '../../modules/platform/index.js';
import {
  CALLER_ATTRIBUTES,
  CONCURRENCY,
  DEPLOYMENT_DEADLINE_MS,
  MAX_REPLICAS,
  MIN_REPLICAS,
  QUEUE_ROWS,
  QUEUE_TIMEOUT_MS,
  REQUEST_KEY,
  SCALE_TO_ZERO_MS,
  THREADS,
  WARM_UP_ROWS,
} from '../../modules/serving/index.js';

export const DeploymentMode = describeEnum('DeploymentMode', 'How a deployment uses the traffic.', {
  LIVE: 'Answers its fraction of the requests.',
  SHADOW:
    'Receives a copy of every answered request. Its answers are compared with the live answers ' +
    'and never returned to the caller.',
});

export const DeploymentStatus = describeEnum(
  'DeploymentStatus',
  'Whether a deployment is loading, ready, stopped or failed.',
  {
    PENDING: 'The model is being loaded.',
    READY: 'The model is loaded and answers requests according to mode and weight.',
    FAILED: 'The model could not be loaded; `error` says why.',
    STOPPED: 'The deployment was stopped, or replaced by another version.',
  },
);

type DeploymentOrderBy = 'createdAt' | 'updatedAt';

export const DeploymentOrderField = describeOrderFields<DeploymentOrderBy>(
  'DeploymentOrderField',
  'Fields by which deployments can be sorted.',
  {
    CREATED_AT: ['createdAt', 'Time when the deployment was requested.'],
    UPDATED_AT: ['updatedAt', 'Time of the last change.'],
  },
);

@ObjectType('DeploymentLimits', {
  description: 'What a deployment takes on; each limit holds in every process of the service that answers.',
})
export class DeploymentLimitsType {
  @Field(() => Int, {
    nullable: true,
    description: 'Longest duration of a prediction in milliseconds; null: no limit of its own.',
  })
  deadlineMs?: number | null;

  @Field(() => Int, { nullable: true, description: 'Requests that run at the same time; null: no limit of its own.' })
  concurrency?: number | null;

  @Field(() => Int, { nullable: true, description: 'Rows of requests that may wait; null: no limit of its own.' })
  queueRows?: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Longest wait of a request in milliseconds; null: until its deadline.',
  })
  queueTimeoutMs?: number | null;
}

export const Device = describeEnum('Device', 'What computes the answers of a model.', {
  CPU: 'The processor cores of the machine.',
  CUDA: 'An NVIDIA GPU. A deployment FAILS where the machine has none that the runtime can use.',
});

@ObjectType('DeploymentScaling', {
  description:
    'What the processes of a deployment shall be. With any of it, its model has processes of its own; each process ' +
    'of the service that answers starts so many.',
})
export class DeploymentScalingType {
  @Field(() => Int, { nullable: true, description: 'Fewest replicas; null: 1. 0: the last ends when nobody asks.' })
  minReplicas?: number | null;

  @Field(() => Int, { nullable: true, description: 'Most replicas; null: as many as the fewest, at least 1.' })
  maxReplicas?: number | null;

  @Field(() => Int, { nullable: true, description: 'Threads of one run in each replica; null: as the service is set.' })
  threads?: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Milliseconds without a request after which the last replica ends; null: 600,000 with minReplicas 0.',
  })
  scaleToZeroAfterMs?: number | null;

  @Field(() => Device, { nullable: true, description: 'What computes; null: CPU.' })
  device?: keyof typeof Device | null;
}

@ObjectType('DeploymentReplicas', {
  description: 'The processes that run a deployment with a scaling of its own, now.',
})
export class DeploymentReplicasType {
  @Field(() => Int, { description: 'Replicas that can answer.' })
  running!: number;

  @Field(() => Int, { description: 'Replicas that there should be; others are starting or ending.' })
  wanted!: number;

  @Field(() => String, {
    nullable: true,
    description: 'Why the number changed last, as a sentence; null when unknown.',
  })
  why!: string | null;
}

@ObjectType('Deployment', { description: 'A deployment: one model version that runs at an endpoint.' })
export class DeploymentType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => DeploymentMode, { description: 'How the deployment uses the traffic.' })
  mode!: keyof typeof DeploymentMode;

  @Field(() => DeploymentStatus, { description: 'Current status: loading, ready, stopped or failed.' })
  status!: keyof typeof DeploymentStatus;

  @Field(() => Int, {
    description:
      'Fraction of the endpoint’s requests in basis points, 0 to 10,000; while PENDING, the ' +
      'fraction that it will receive. 0 for shadow and stopped deployments.',
  })
  weightBps!: number;

  @Field(() => BatchingPolicy, {
    description: 'Whether requests may run in one batch. If the endpoint has NEVER, that holds for the deployment too.',
  })
  batching!: keyof typeof BatchingPolicy;

  @Field(() => Runtime, { description: 'Where the model runs.' })
  runtime!: keyof typeof Runtime;

  @Field(() => Boolean, {
    description:
      'Whether it is the control of a canary or a test: a second deployment of the version that serves, which is ' +
      'counted apart.',
  })
  isControl!: boolean;

  @Field(() => DeploymentLimitsType, {
    nullable: true,
    description: 'What the deployment takes on; null without limits of its own.',
  })
  limits?: DeploymentLimitsType | null;

  @Field(() => DeploymentScalingType, {
    nullable: true,
    description: 'Its own processes; null where its model shares those of the runtime with others.',
  })
  scaling?: DeploymentScalingType | null;

  @Field(() => FanOutType, {
    nullable: true,
    description: 'How the members of the ensemble are asked; null unless the runtime is FAN_OUT.',
  })
  fanOut?: FanOutType | null;

  @Field(() => String, { nullable: true, description: 'Why the deployment FAILED, as a sentence; null otherwise.' })
  error?: string | null;

  @Field(() => String, {
    description: 'Subject of the token that deployed the version, or promoted it at an endpoint that follows a stage.',
  })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time when the deployment was requested, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'Time of the last change, UTC.' })
  updatedAt!: Date;

  @Field(() => DateTime, {
    nullable: true,
    description: 'Time when the deployment failed or was stopped, UTC; null before that.',
  })
  endedAt?: Date | null;

  /** The API shows these ids as objects. */
  endpointId!: string;
  modelVersionId!: string;
}

export const DeploymentConnection = connectionOf(DeploymentType, 'Deployment', 'deployments');

@ArgsType()
export class TrafficArgs {
  @Field(() => DateTime, {
    nullable: true,
    description:
      'Includes only minutes that begin at or after this time; from the start of the deployment when absent.',
  })
  from?: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'Includes only minutes that begin before this time; until now when absent.',
  })
  to?: Date | null;
}

@ObjectType('DeploymentTraffic', {
  description:
    'Traffic counters of a deployment. Counts are exact, latencies are accurate to 19 %. They ' +
    'cover whole minutes and are up to date within a few seconds.',
})
export class DeploymentTraffic {
  @Field(() => SafeInt, {
    description: 'Number of requests that were answered or failed; for a shadow, the number of copied requests.',
  })
  requests!: number;

  @Field(() => SafeInt, { description: 'Number of rows in the answered requests.' })
  rows!: number;

  @Field(() => SafeInt, {
    description:
      'Number of requests that failed because of the model or this service; requests with wrong ' +
      'input do not count.',
  })
  errors!: number;

  @Field(() => Float, { nullable: true, description: 'Errors divided by requests, 0 to 1; null without requests.' })
  errorRate!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Median latency in milliseconds, accurate to 19 %; null without requests.',
  })
  latencyP50Ms!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: '95th percentile of the latency in milliseconds, accurate to 19 %; null without requests.',
  })
  latencyP95Ms!: number | null;

  @Field(() => SafeInt, {
    description: 'Number of rows that both a shadow and the live version answered; 0 for live deployments.',
  })
  comparedRows!: number;

  @Field(() => SafeInt, {
    description:
      'Number of compared rows that the shadow answered differently: another class, a value that ' +
      'differs by half a standard deviation, or another cluster.',
  })
  disagreements!: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Disagreements divided by compared rows, 0 to 1; null when no row was compared.',
  })
  disagreementRate!: number | null;

  @Field(() => SafeInt, {
    description:
      'Number of requests that were drawn for the log and are not in it, as its buffer was full or the database ' +
      'refused them. They are counted in `requests`. What a killed process had not written yet is not known.',
  })
  unlogged!: number;
}

@ObjectType({ description: 'Runs of a model of a certain size on its server.', simpleResolvers: true })
export class ServerBatchSize {
  @Field(() => Int, { description: 'Rows of each of these runs, of one request or several.' })
  rows!: number;

  @Field(() => SafeInt, { description: 'Number of runs of this size.' })
  batches!: number;

  @Field(() => Float, { description: 'Time of all these runs together, in milliseconds.' })
  computeMs!: number;
}

@ObjectType('ServerStatistics', {
  description:
    'What the server of a runtime has counted for the model of a deployment since it loaded the model. Deployments of ' +
    'one version share a model there, and warm-ups count.',
  simpleResolvers: true,
})
export class ServerStatisticsType {
  @Field(() => SafeInt, { description: 'Requests that the server has answered.' })
  succeeded!: number;

  @Field(() => SafeInt, { description: 'Requests that failed there.' })
  failed!: number;

  @Field(() => SafeInt, { description: 'Rows of the answered requests; 1 each where requests are not joined.' })
  rows!: number;

  @Field(() => SafeInt, { description: 'Runs of the model; fewer than requests where requests were joined.' })
  batches!: number;

  @Field(() => Float, { description: 'Time that all answered requests together have waited there, in milliseconds.' })
  queueMs!: number;

  @Field(() => Float, { description: 'Time of all answered requests together in the model, in milliseconds.' })
  computeMs!: number;

  @Field(() => [ServerBatchSize], { description: 'The runs by their number of rows, smallest first.' })
  batchSizes!: ServerBatchSize[];
}

@InputType({ description: 'Filter for deployments; all given fields must match.' })
export class DeploymentFilterInput {
  @Field(() => ID, { nullable: true, description: 'Deployments at this endpoint. NOT_FOUND when it does not exist.' })
  endpointId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Deployments of this model version. NOT_FOUND when it does not exist.',
  })
  modelVersionId?: string | null;

  @Field(() => [DeploymentStatus], { nullable: true, description: 'Deployments with one of these statuses.' })
  status?: (keyof typeof DeploymentStatus)[] | null;

  @Field(() => DeploymentMode, { nullable: true, description: 'Only live or only shadow deployments.' })
  mode?: keyof typeof DeploymentMode | null;

  @Field(() => Runtime, { nullable: true, description: 'Only deployments on this runtime.' })
  runtime?: keyof typeof Runtime | null;
}

@InputType({
  description: 'Sort order of a list of deployments: field and direction. Items with equal values are sorted by id.',
})
export class DeploymentOrderInput {
  @Field(() => DeploymentOrderField, { description: 'Field whose values determine the order.' })
  field!: DeploymentOrderBy;

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

@InputType({
  description:
    'Limits of a deployment. Each holds in every process of the service that answers. A request that does not fit gets ' +
    'RESOURCE_EXHAUSTED with `retryAfterMs`; over REST that is 429 with Retry-After.',
})
export class DeploymentLimitsInput {
  @Range(DEPLOYMENT_DEADLINE_MS)
  @Field(() => Int, {
    nullable: true,
    description: 'Longest duration of a prediction. Without it, that of the caller and of the service hold.',
  })
  deadlineMs?: number | null;

  @Range(CONCURRENCY)
  @Field(() => Int, { nullable: true, description: 'Requests that run at the same time; others wait in their order.' })
  concurrency?: number | null;

  @Range(QUEUE_ROWS)
  @Field(() => Int, {
    nullable: true,
    description: 'Rows of requests that may wait. BAD_USER_INPUT without `concurrency`.',
  })
  queueRows?: number | null;

  @Range(QUEUE_TIMEOUT_MS)
  @Field(() => Int, {
    nullable: true,
    description: 'Longest wait of a request. BAD_USER_INPUT without `concurrency`.',
  })
  queueTimeoutMs?: number | null;
}

@InputType({
  description:
    'Processes of its own for a deployment. BAD_USER_INPUT for a field that the runtime does not honour: the query ' +
    '`runtimes` lists them.',
})
export class DeploymentScalingInput {
  @Range(MIN_REPLICAS)
  @Field(() => Int, {
    nullable: true,
    description: 'Fewest replicas; 1 when absent. With 0, the first request after a pause waits until one has started.',
  })
  minReplicas?: number | null;

  @Range(MAX_REPLICAS)
  @Field(() => Int, {
    nullable: true,
    description:
      'Most replicas. More start when a replica has more than 2 requests at the same time, and end when it has fewer. ' +
      'On TRITON: the number of its instances, always.',
  })
  maxReplicas?: number | null;

  @Range(THREADS)
  @Field(() => Int, { nullable: true, description: 'Threads of one run in each replica.' })
  threads?: number | null;

  @Range(SCALE_TO_ZERO_MS)
  @Field(() => Int, {
    nullable: true,
    description: 'Time without a request after which the last replica ends. BAD_USER_INPUT unless minReplicas is 0.',
  })
  scaleToZeroAfterMs?: number | null;

  @Field(() => Device, {
    nullable: true,
    description: 'What computes; CPU when absent. With CUDA on a machine without it, the deployment FAILS and says so.',
  })
  device?: keyof typeof Device | null;
}

@InputType({ description: 'A model version to serve at an endpoint.' })
export class DeployModelVersionInput {
  @Field(() => ID, {
    description:
      'The endpoint. NOT_FOUND when it does not exist; CONFLICT for a LIVE deployment at an ' +
      'endpoint that follows a stage.',
  })
  endpointId!: string;

  @Field(() => ID, {
    description:
      'A READY version of the endpoint’s model, in any stage: gates are for promotions, not for ' +
      'deployments. NOT_FOUND when it does not exist, CONFLICT when it is already deployed there on ' +
      'the same runtime.',
  })
  modelVersionId!: string;

  @Field(() => DeploymentMode, {
    description: 'Whether the deployment answers requests (LIVE) or receives copies of them (SHADOW).',
  })
  mode!: keyof typeof DeploymentMode;

  @Field(() => Runtime, {
    nullable: true,
    description:
      'Where the model runs; ONNX when absent. CONFLICT when the runtime does not serve the format of ' +
      'the version, UNAVAILABLE, with the name of the setting, when it is not configured. The query ' +
      '`runtimes` lists them.',
  })
  runtime?: keyof typeof Runtime | null;

  @Range({ min: 0, max: FULL_WEIGHT_BPS, unit: 'basis points' })
  @Field(() => Int, {
    nullable: true,
    description:
      'Fraction of the requests that a LIVE deployment receives when it is ready, in basis points ' +
      '(10,000 = all requests); the other deployments share the rest in proportion to their ' +
      'weights. 0 when absent. If no other deployment is live, it receives all requests.',
  })
  weightBps?: number | null;

  @Field(() => BatchingPolicy, {
    nullable: true,
    description:
      'Whether requests may run in one batch; AUTO when absent. To change it later, undeploy the ' +
      'version and deploy it again.',
  })
  batching?: keyof typeof BatchingPolicy | null;

  @Field(() => DeploymentLimitsInput, {
    nullable: true,
    description: 'What the deployment takes on; without it, only the limits of the service hold.',
  })
  limits?: DeploymentLimitsInput | null;

  @Field(() => DeploymentScalingInput, {
    nullable: true,
    description: 'Processes of its own, with their number and threads; without it, its model shares those of others.',
  })
  scaling?: DeploymentScalingInput | null;

  @Field(() => FanOutInput, {
    nullable: true,
    description:
      'How the members of an ensemble are asked, for the runtime FAN_OUT; BAD_USER_INPUT with any other. When ' +
      'absent, all members run on ONNX and all must answer.',
  })
  fanOut?: FanOutInput | null;

  @Field(() => SlaInput, {
    nullable: true,
    description: 'What the deployment promises; without it, the endpoint’s limit or that of the platform holds.',
  })
  sla?: SlaInput | null;

  @Range(WARM_UP_ROWS)
  @Field(() => [Json], {
    nullable: true,
    description:
      'Rows as for `predict`, which the model must answer before the deployment is READY: its first caller does not ' +
      'wait for a cold model. INVALID_TENSOR when they do not fit the signature.',
  })
  warmUpRows?: Record<string, unknown>[] | null;

  @Range({ min: 0, max: MAX_WAIT_MS, unit: 'milliseconds' })
  @Field(() => Int, {
    nullable: true,
    description: 'Time to wait until the model is loaded or has failed to load; 0 when absent.',
  })
  waitMs?: number | null;
}

@InputType({ description: 'Traffic weight of one live deployment.' })
export class DeploymentWeightInput {
  @Field(() => ID, { description: 'A LIVE, READY deployment of the endpoint. NOT_FOUND when it does not exist.' })
  deploymentId!: string;

  @Range({ min: 0, max: FULL_WEIGHT_BPS, unit: 'basis points' })
  @Field(() => Int, { description: 'Fraction of the traffic.' })
  weightBps!: number;
}

@InputType({
  description:
    'A rule of a traffic policy: requests whose attribute has one of the values go to one deployment, whatever ' +
    'its weight. The first rule that matches counts.',
})
export class TrafficRuleInput {
  @Range(characters(1, 120))
  @Field(() => String, {
    description:
      'Name of the attribute: one that callers give in `attributes`, `header.<name>` with the name of an HTTP ' +
      'header in lower case, or `caller.subject`, `caller.role` or `caller.tenant` of the token.',
  })
  attribute!: string;

  @Range({ min: 1, max: 1_000, unit: 'values', each: characters(0, 250) })
  @Field(() => [String], { description: 'Values that match, compared exactly.' })
  values!: string[];

  @Field(() => ID, {
    description:
      'A LIVE, READY deployment of the endpoint; its weight may be 0. NOT_FOUND when it does not exist, CONFLICT ' +
      'for another one.',
  })
  deploymentId!: string;
}

@ArgsType()
export class RoutePreviewArgs {
  @Field(() => ID, { description: 'The endpoint. NOT_FOUND when it does not exist.' })
  endpointId!: string;

  @RangeOfModule(REQUEST_KEY)
  @Field(() => String, { description: 'Routing key, as in `predict`.' })
  routingKey!: string;

  @Range(CALLER_ATTRIBUTES)
  @Field(() => [CallerAttributeInput], {
    nullable: true,
    description:
      'Attributes as in `predict`; also `header.<name>` for a header and e.g. `caller.subject` for another ' +
      'caller than you. None when absent.',
  })
  attributes?: CallerAttributeInput[] | null;
}

@ObjectType({ description: 'Where a request would go, and why.', simpleResolvers: true })
export class RoutePreview {
  @Field(() => DeploymentType, {
    nullable: true,
    description: 'Deployment that would answer; null when no rule matches and no deployment has weight.',
  })
  deployment!: DeploymentType | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Position in `trafficRules`, from 0, of the rule that chooses it; null when the weights do.',
  })
  rule!: number | null;

  @Field(() => String, { description: 'Why the request goes there, as a sentence.' })
  reason!: string;
}

@InputType({ description: 'Weights and rules that split the traffic of an endpoint among its deployments.' })
export class SetTrafficWeightsInput {
  @Field(() => ID, { description: 'The endpoint. NOT_FOUND when it does not exist, CONFLICT when it follows a stage.' })
  endpointId!: string;

  @Range({ min: 1, max: 1_000, unit: 'deployments' })
  @Field(() => [DeploymentWeightInput], {
    description: 'All live, READY deployments of the endpoint with their weights; the sum must be 10,000.',
  })
  weights!: DeploymentWeightInput[];

  @Range({ min: 1, max: 100, unit: 'rules' })
  @Field(() => [TrafficRuleInput], {
    nullable: true,
    description:
      'Rules that come before the weights, in order; they replace the present ones. Null: no rules. Absent: the ' +
      'present ones stay.',
  })
  rules?: TrafficRuleInput[] | null;
}

@InputType({ description: 'Deployment to stop.' })
export class UndeployInput {
  @Field(() => ID, {
    description:
      'The deployment. NOT_FOUND when it does not exist, CONFLICT when it has ended or its endpoint ' +
      'follows a stage.',
  })
  deploymentId!: string;
}

@InputType({ description: 'Shadow deployment to evaluate.' })
export class DecideShadowInput {
  @Field(() => ID, {
    description:
      'The shadow deployment, running or stopped. NOT_FOUND when it does not exist, CONFLICT for a ' +
      'live deployment.',
  })
  deploymentId!: string;
}

@ObjectType({ description: 'The deployment after the mutation.' })
export class DeploymentPayload {
  @Field(() => DeploymentType, {
    description:
      'The deployment after this change, as a query would show it now. Its status is PENDING at ' +
      'first; `waitMs` waits until it is READY.',
  })
  deployment!: DeploymentType;

  @Field(() => Boolean, {
    description: 'Whether the deployment receives requests now; a shadow deployment receives copies.',
  })
  serves!: boolean;

  @Field(() => String, {
    nullable: true,
    description:
      'Why the deployment receives no requests and what to do, as a sentence; null when it receives requests.',
  })
  servingProblem!: string | null;
}

@ObjectType({ description: 'The endpoint after the change of its weights.' })
export class SetTrafficWeightsPayload {
  @Field(() => EndpointType, { description: 'The endpoint; its deployments have the new weights.' })
  endpoint!: EndpointType;
}

@ObjectType({ description: 'Result of the gate SHADOW.' })
export class DecideShadowPayload {
  @Field(() => GateResultType, { description: 'The gate result, with every condition and its measured value.' })
  gateResult!: GateResultType;
}
