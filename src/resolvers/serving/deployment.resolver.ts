import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root, Subscription } from 'type-graphql';
import type { EventRow } from '../../modules/platform/index.js';
import { deploymentReadiness, SERVING_EVENTS } from '../../modules/serving/index.js';
import { ModelVersionType } from '../registry/model-version.types.js';
import { LifecycleEventType } from '../platform/event.types.js';
import { followEvents } from '../platform/event.resolver.js';
import type { RequestContext } from '../request-context.js';
import { OrderDirection } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { SafeInt } from '../types/scalars.js';
import {
  DecideShadowInput,
  DecideShadowPayload,
  DeployModelVersionInput,
  DeploymentConnection,
  DeploymentReplicasType,
  DeploymentFilterInput,
  DeploymentOrderInput,
  DeploymentPayload,
  DeploymentTraffic,
  DeploymentType,
  RoutePreview,
  RoutePreviewArgs,
  ServerStatisticsType,
  SetTrafficWeightsInput,
  SetTrafficWeightsPayload,
  TrafficArgs,
  UndeployInput,
} from './deployment.types.js';
import { EndpointType } from './endpoint.types.js';
import { ArgsWithRanges, ArgumentRange } from '../types/range.js';
import { SEQUENCE } from '../../modules/core/index.js';

const DEPLOYMENT_EVENTS = [
  SERVING_EVENTS.MODEL_DEPLOYED,
  SERVING_EVENTS.MODEL_UNDEPLOYED,
  SERVING_EVENTS.MODEL_DEPLOYMENT_FAILED,
  SERVING_EVENTS.TRAFFIC_CHANGED,
  SERVING_EVENTS.SHADOW_EVALUATED,
].map(({ name }) => name);

@Resolver(() => DeploymentType)
export class DeploymentResolver {
  @Query(() => DeploymentType, { description: 'One deployment. NOT_FOUND when it does not exist.' })
  deployment(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the deployment. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id: string,
  ): Promise<DeploymentType> {
    return ctx.run((session) => ctx.services.deployments.get(session, id));
  }

  @Query(() => DeploymentConnection, {
    description: 'Deployments of the tenant, including past ones, newest first by default.',
  })
  async deployments(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => DeploymentFilterInput, {
      nullable: true,
      description: 'Filter for deployments; all when absent.',
    })
    filter?: DeploymentFilterInput,
    @Arg('orderBy', () => DeploymentOrderInput, {
      nullable: true,
      description: 'Sort order; newest first when absent.',
    })
    orderBy?: DeploymentOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.deployments.list(session, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Mutation(() => DeploymentPayload, {
    description:
      'Deploys a model version at an endpoint, live or as a shadow. The deployment starts when the ' +
      'model is loaded: `waitMs` waits for that, and the event MODEL_DEPLOYED or ' +
      'MODEL_DEPLOYMENT_FAILED reports it.',
  })
  async deployModelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeployModelVersionInput, { description: 'Version and endpoint.' })
    input: DeployModelVersionInput,
  ): Promise<DeploymentPayload> {
    const { waitMs, ...rest } = input;
    const { deployment, readiness } = await ctx.services.rollouts.deploy(ctx, waitMs ?? 0, rest);
    return { deployment, serves: readiness.serves, servingProblem: readiness.problem };
  }

  @Query(() => RoutePreview, {
    description:
      'Which deployment would answer a request with this routing key and these attributes, and why. Nothing is ' +
      'predicted or counted.',
  })
  async routePreview(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => RoutePreviewArgs) { endpointId, routingKey, attributes }: RoutePreviewArgs,
  ): Promise<RoutePreview> {
    const { predictions } = ctx.services;
    const { target, ...why } = await predictions.preview(ctx.principal, endpointId, routingKey, attributes ?? []);
    return { ...why, deployment: target?.deployment ?? null };
  }

  @Mutation(() => SetTrafficWeightsPayload, {
    description:
      'Sets the traffic policy of an endpoint: the weights of its live deployments and, when given, rules for ' +
      'certain callers. Routing keys move only to deployments whose weight grew.',
  })
  async setTrafficWeights(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => SetTrafficWeightsInput, { description: 'Endpoint and weights.' })
    input: SetTrafficWeightsInput,
  ): Promise<SetTrafficWeightsPayload> {
    return { endpoint: await ctx.run((session) => ctx.services.deployments.setWeights(session, input)) };
  }

  @Mutation(() => DeploymentPayload, {
    description:
      'Stops a deployment. The other live deployments of the endpoint take over its traffic, in ' +
      'their proportions.',
  })
  async undeploy(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => UndeployInput, { description: 'Deployment to stop: PENDING or READY.' })
    input: UndeployInput,
  ): Promise<DeploymentPayload> {
    const deployment = await ctx.run((session) => ctx.services.deployments.undeploy(session, input.deploymentId));
    const { serves, problem } = deploymentReadiness(deployment);
    return { deployment, serves, servingProblem: problem };
  }

  @Mutation(() => DecideShadowPayload, {
    description:
      'Evaluates a shadow deployment on the traffic that it received: enough requests, no errors, ' +
      'p95 within the endpoint’s limit, answers similar to the live ones, and no provable loss ' +
      'against the version in PRODUCTION in its newest evaluation. The result of the gate SHADOW is ' +
      'recorded, passed or failed; its checks say what is missing.',
  })
  async decideShadow(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DecideShadowInput, { description: 'The shadow deployment.' }) input: DecideShadowInput,
  ): Promise<DecideShadowPayload> {
    await ctx.services.traffic.flush();
    return { gateResult: await ctx.run((session) => ctx.services.shadows.decide(session, input.deploymentId)) };
  }

  @ArgumentRange('after', SEQUENCE)
  @Subscription(() => LifecycleEventType, {
    description:
      'Events about the deployments of an endpoint, each exactly once and in the order of `seq`: ' +
      'MODEL_DEPLOYED, MODEL_UNDEPLOYED, MODEL_DEPLOYMENT_FAILED, TRAFFIC_CHANGED, ' +
      'SHADOW_EVALUATED. Reconnect with the last `seq` as `after`.',
    subscribe: ({ args, context }) =>
      followDeployments(context as RequestContext, args as { endpointId: string; after?: number }),
  })
  deploymentEvents(
    @Root() event: LifecycleEventType,
    @Arg('endpointId', () => ID, { description: 'The endpoint. NOT_FOUND when it does not exist.' })
    _endpointId: string,
    @Arg('after', () => SafeInt, {
      nullable: true,
      description:
        'Sends events with a greater `seq`, past events first; 0 sends all that are kept; only new ' +
        'events when absent.',
    })
    _after?: number,
  ): LifecycleEventType {
    return event;
  }

  @FieldResolver(() => EndpointType, { description: 'Endpoint whose requests the deployment receives.' })
  endpoint(@Root() deployment: DeploymentType, @Ctx() ctx: RequestContext): Promise<EndpointType | null> {
    return ctx.loaders.endpoint.load(deployment.endpointId);
  }

  @FieldResolver(() => ModelVersionType, { description: 'Version that the deployment runs.' })
  modelVersion(@Root() deployment: DeploymentType, @Ctx() ctx: RequestContext): Promise<ModelVersionType | null> {
    return ctx.loaders.modelVersion.load(deployment.modelVersionId);
  }

  @FieldResolver(() => DeploymentReplicasType, {
    nullable: true,
    description:
      'The processes that run it now, in this process of the service; on RAY_SERVE, in the cluster. Null without a ' +
      'scaling of its own, and before the model is loaded.',
  })
  replicas(@Root() deployment: DeploymentType, @Ctx() ctx: RequestContext): Promise<DeploymentReplicasType | null> {
    const { mode, runtime, modelVersionId, scaling } = deployment;
    return ctx.services.runtimes.replicas({ mode, runtime, modelVersionId, scaling: scaling ?? null });
  }

  @FieldResolver(() => DeploymentTraffic, {
    description: 'Traffic counters of the deployment, for a period or since its start.',
  })
  traffic(
    @Root() deployment: DeploymentType,
    @Ctx() ctx: RequestContext,
    @Args(() => TrafficArgs) { from, to }: TrafficArgs,
  ): Promise<DeploymentTraffic> {
    return ctx.loaders.deploymentTraffic.load({ deploymentId: deployment.id, from: from ?? null, to: to ?? null });
  }

  @FieldResolver(() => ServerStatisticsType, {
    nullable: true,
    description:
      'What the server of its runtime has counted; null for a runtime that counts nothing (only TRITON does), before ' +
      'the model is loaded there, and while the server does not answer.',
  })
  async serverStatistics(
    @Root() { runtime, modelVersionId }: DeploymentType,
    @Ctx() ctx: RequestContext,
  ): Promise<ServerStatisticsType | null> {
    const counted = await ctx.services.runtimes.statistics(runtime).catch(() => null);
    return counted?.get(modelVersionId) ?? null;
  }
}

async function followDeployments(
  ctx: RequestContext,
  { endpointId, after }: { endpointId: string; after?: number },
): Promise<AsyncIterableIterator<EventRow>> {
  const { id } = await ctx.run((session) => ctx.services.endpoints.get(session, endpointId));
  return followEvents(ctx, { filter: { endpointId: id, types: DEPLOYMENT_EVENTS }, after });
}
