import { Arg, Ctx, FieldResolver, Float, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { requireOneWay } from '../look-up.js';
import { slaOf, type Readiness } from '../../modules/serving/index.js';
import type { RequestContext } from '../request-context.js';
import { OrderDirection } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { ModelType } from '../registry/model.types.js';
import { ModelVersionType } from '../registry/model-version.types.js';
import { DeploymentType } from './deployment.types.js';
import {
  CreateEndpointInput,
  DeleteEndpointInput,
  DeleteEndpointPayload,
  EndpointConnection,
  EndpointFilterInput,
  EndpointOrderInput,
  EndpointPayload,
  EndpointType,
  GetOrCreateEndpointPayload,
  UpdateEndpointInput,
} from './endpoint.types.js';
import { ArgsWithRanges } from '../types/range.js';

@Resolver(() => EndpointType)
export class EndpointResolver {
  @Query(() => EndpointType, {
    description: 'One endpoint, by exactly one of `id` and `name`. NOT_FOUND when it does not exist.',
  })
  endpoint(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      nullable: true,
      description: 'Id (UUID) of the endpoint. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id?: string | null,
    @Arg('name', () => String, { nullable: true, description: 'Exact name, instead of `id`; case-sensitive.' })
    name?: string | null,
  ): Promise<EndpointType> {
    requireOneWay({ id, name });
    const { endpoints } = ctx.services;
    return ctx.run((session) => (id == null ? endpoints.getByName(session, name!) : endpoints.get(session, id)));
  }

  @Query(() => EndpointConnection, { description: 'Endpoints of the tenant, newest first by default.' })
  async endpoints(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => EndpointFilterInput, { nullable: true, description: 'Filter for endpoints; all when absent.' })
    filter?: EndpointFilterInput,
    @Arg('orderBy', () => EndpointOrderInput, { nullable: true, description: 'Sort order; newest first when absent.' })
    orderBy?: EndpointOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.endpoints.list(session, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Mutation(() => EndpointPayload, {
    description: 'Creates an endpoint and, with `waitMs`, waits until it serves. CONFLICT when the name is taken.',
  })
  async createEndpoint(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateEndpointInput, { description: 'The new endpoint.' }) input: CreateEndpointInput,
  ): Promise<EndpointPayload> {
    const { rollouts, endpoints } = ctx.services;
    const { waitMs, ...settings } = input;
    return payload(
      await rollouts.endpoint(ctx, waitMs ?? 0, async (session) => ({
        endpoint: await endpoints.create(session, settings),
      })),
    );
  }

  @Mutation(() => GetOrCreateEndpointPayload, {
    description:
      'Returns the endpoint with the given name and creates it when it does not exist; with ' +
      '`waitMs`, waits until it serves. A script can call it in every execution. An existing ' +
      'endpoint keeps its settings; CONFLICT when it has another model, or follows another stage or ' +
      'alias.',
  })
  async getOrCreateEndpoint(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateEndpointInput, {
      description: 'Name, model, stage or alias to follow, and the settings of a new endpoint.',
    })
    input: CreateEndpointInput,
  ): Promise<GetOrCreateEndpointPayload> {
    const { rollouts, endpoints } = ctx.services;
    const { waitMs, ...settings } = input;
    return payload(await rollouts.endpoint(ctx, waitMs ?? 0, (session) => endpoints.getOrCreate(session, settings)));
  }

  @Mutation(() => EndpointPayload, {
    description: 'Changes the settings of an endpoint; they apply to requests within a second.',
  })
  async updateEndpoint(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => UpdateEndpointInput, { description: 'Object and its changes.' }) input: UpdateEndpointInput,
  ): Promise<EndpointPayload> {
    const { rollouts, endpoints } = ctx.services;
    return payload(
      await rollouts.endpoint(ctx, 0, async (session) => ({ endpoint: await endpoints.update(session, input) })),
    );
  }

  @Mutation(() => DeleteEndpointPayload, {
    description:
      'Deletes an endpoint with its deployments, counters and logs. Its clients get NOT_FOUND within a second.',
  })
  async deleteEndpoint(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteEndpointInput, {
      description: 'Endpoint to delete; later requests to it get NOT_FOUND.',
    })
    input: DeleteEndpointInput,
  ): Promise<DeleteEndpointPayload> {
    const { id } = await ctx.run((session) => ctx.services.endpoints.delete(session, input.id));
    return { deletedId: id };
  }

  @FieldResolver(() => [DeploymentType], {
    description: 'Deployments that are PENDING or READY, oldest first; `deployments` also lists past ones.',
  })
  deployments(@Root() endpoint: EndpointType, @Ctx() ctx: RequestContext): Promise<DeploymentType[]> {
    return ctx.loaders.endpointDeployments.load(endpoint.id);
  }

  @FieldResolver(() => ModelVersionType, {
    nullable: true,
    description:
      'Version that is now in the followed stage or under the followed alias; null when there is no ' +
      'such version, and when the endpoint follows nothing. `followProblem` says why another ' +
      'version serves.',
  })
  async followedVersion(@Root() endpoint: EndpointType, @Ctx() ctx: RequestContext): Promise<ModelVersionType | null> {
    const { versionId } = await ctx.loaders.endpointFollowed.load(endpoint.id);
    return versionId === null ? null : ctx.loaders.modelVersion.load(versionId);
  }

  @FieldResolver(() => String, {
    nullable: true,
    description:
      'Why the deployed version is not the followed version, and what to do: the alias was deleted, ' +
      'or the version is being loaded or has no model.onnx. Null when they are the same, and when ' +
      'the endpoint follows neither a stage nor an alias.',
  })
  async followProblem(@Root() endpoint: EndpointType, @Ctx() ctx: RequestContext): Promise<string | null> {
    return (await ctx.loaders.endpointFollowed.load(endpoint.id)).problem;
  }

  @FieldResolver(() => Float, {
    description:
      'Latency limit in milliseconds: 95 % of the requests must be answered within it. Where none was given, that of ' +
      'the platform for ONNX; each deployment shows its own in `sla`. Alerts and the gate SHADOW use it.',
  })
  slaLatencyP95Ms(@Root() { slaLatencyP95Ms }: EndpointType): number {
    return slaOf({ runtime: 'ONNX' }, { slaLatencyP95Ms }).latencyP95Ms;
  }

  @FieldResolver(() => ModelType, { description: 'Model whose versions the endpoint serves.' })
  model(@Root() endpoint: EndpointType, @Ctx() ctx: RequestContext): Promise<ModelType | null> {
    return ctx.loaders.model.load(endpoint.modelId);
  }
}

function payload<T>({ readiness: { serves, problem }, ...rest }: T & { readiness: Readiness }): Omit<T, 'readiness'> & {
  serves: boolean;
  servingProblem: string | null;
} {
  return { ...rest, serves, servingProblem: problem };
}
