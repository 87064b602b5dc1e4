import { Arg, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root, Subscription } from 'type-graphql';
import type { Canary } from '../../db/entities/rollouts/canary.entity.js';
import { abortable } from '../../modules/platform/index.js';
import { ModelVersionType } from '../registry/model-version.types.js';
import type { RequestContext } from '../request-context.js';
import { DeploymentType } from '../serving/deployment.types.js';
import { EndpointType } from '../serving/endpoint.types.js';
import { OrderDirection } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { ArgsWithRanges } from '../types/range.js';
import {
  AbortCanaryInput,
  ApproveCanaryInput,
  CanaryConnection,
  CanaryFilterInput,
  CanaryOrderInput,
  CanaryPayload,
  CanaryType,
  PauseCanaryInput,
  PromoteCanaryInput,
  ResumeCanaryInput,
  StartCanaryInput,
} from './canary.types.js';

@Resolver(() => CanaryType)
export class CanaryResolver {
  @Query(() => CanaryType, { description: 'One canary. NOT_FOUND when it does not exist.' })
  canary(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the canary. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id: string,
  ): Promise<CanaryType> {
    return ctx.run((session) => ctx.services.canaries.get(session, id));
  }

  @Query(() => CanaryConnection, { description: 'Canaries of the tenant, also ended ones, newest first by default.' })
  async canaries(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => CanaryFilterInput, { nullable: true, description: 'Filter for canaries; all when absent.' })
    filter?: CanaryFilterInput,
    @Arg('orderBy', () => CanaryOrderInput, { nullable: true, description: 'Sort order; newest first when absent.' })
    orderBy?: CanaryOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.canaries.list(session, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Mutation(() => CanaryPayload, {
    description:
      'Starts a canary: the new version is loaded and gets the traffic of the endpoint step by step. A failure that is ' +
      'proven against the control rolls it back within seconds. Until it ends, it alone sets the weights.',
  })
  async startCanary(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => StartCanaryInput, { description: 'Endpoint, version, steps and guards.' })
    { steps, guards, ...input }: StartCanaryInput,
  ): Promise<CanaryPayload> {
    const started = {
      ...input,
      steps: steps.map(({ approval, ...step }) => ({ ...step, approval: approval ?? ('NONE' as const) })),
      guards: guards.map(({ kind, maxIncrease }) => ({ kind, maxIncrease: maxIncrease ?? MAX_INCREASE[kind] })),
    };
    return { canary: await ctx.run((session) => ctx.services.canaries.start(session, started)) };
  }

  @Mutation(() => CanaryPayload, {
    description: 'Pauses a canary: it keeps its traffic, and no step follows. A proven failure still ends it.',
  })
  async pauseCanary(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => PauseCanaryInput, { description: 'Which canary stays at its step.' }) { id }: PauseCanaryInput,
  ): Promise<CanaryPayload> {
    return { canary: await ctx.run((session) => ctx.services.canaries.pause(session, id)) };
  }

  @Mutation(() => CanaryPayload, {
    description: 'Lets a paused canary go on: the time of its step begins again, and what was counted counts on.',
  })
  async resumeCanary(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ResumeCanaryInput, { description: 'Which canary goes on.' }) { id }: ResumeCanaryInput,
  ): Promise<CanaryPayload> {
    return { canary: await ctx.run((session) => ctx.services.canaries.resume(session, id)) };
  }

  @Mutation(() => CanaryPayload, { description: 'Approves the step that a canary has passed; what follows begins.' })
  async approveCanary(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ApproveCanaryInput, { description: 'Which canary was waiting for you.' })
    { id }: ApproveCanaryInput,
  ): Promise<CanaryPayload> {
    return { canary: await ctx.run((session) => ctx.services.canaries.approve(session, id)) };
  }

  @Mutation(() => CanaryPayload, { description: 'Ends a canary: the old version gets all traffic again, at once.' })
  async abortCanary(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => AbortCanaryInput, { description: 'Which canary gives its traffic back.' })
    { id }: AbortCanaryInput,
  ): Promise<CanaryPayload> {
    return { canary: await ctx.run((session) => ctx.services.canaries.abort(session, id)) };
  }

  @Mutation(() => CanaryPayload, {
    description: 'Gives a canary all traffic at once, without the steps that are left and whatever its guards say.',
  })
  async promoteCanary(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => PromoteCanaryInput, { description: 'Which canary gets all traffic.' })
    { id }: PromoteCanaryInput,
  ): Promise<CanaryPayload> {
    return { canary: await ctx.run((session) => ctx.services.canaries.promote(session, id)) };
  }

  @Subscription(() => CanaryType, {
    description:
      'The canary now and after each change: weights, metrics with intervals, and the decision with its reason. ' +
      'Completes when the canary has ended; after a lost connection, subscribe again.',
    subscribe: ({ args, context }) => followCanary(context as RequestContext, (args as { id: string }).id),
  })
  canaryProgress(
    @Root() canary: CanaryType,
    @Arg('id', () => ID, { description: 'The canary. NOT_FOUND when it does not exist.' }) _id: string,
  ): CanaryType {
    return canary;
  }

  @FieldResolver(() => EndpointType, { description: 'Endpoint whose traffic it moves.' })
  endpoint(@Root() { endpointId }: CanaryType, @Ctx() ctx: RequestContext): Promise<EndpointType | null> {
    return ctx.loaders.endpoint.load(endpointId);
  }

  @FieldResolver(() => ModelVersionType, { description: 'Version that gets the traffic of the endpoint step by step.' })
  modelVersion(@Root() { modelVersionId }: CanaryType, @Ctx() ctx: RequestContext): Promise<ModelVersionType | null> {
    return ctx.loaders.modelVersion.load(modelVersionId);
  }

  @FieldResolver(() => ModelVersionType, { description: 'The version that served before.' })
  stableVersion(@Root() { stableVersionId }: CanaryType, @Ctx() ctx: RequestContext): Promise<ModelVersionType | null> {
    return ctx.loaders.modelVersion.load(stableVersionId);
  }

  @FieldResolver(() => DeploymentType, { description: 'Deployment of the new version, with its weight and traffic.' })
  canaryDeployment(@Root() canary: CanaryType, @Ctx() ctx: RequestContext): Promise<DeploymentType | null> {
    return ctx.loaders.deployment.load(canary.canaryDeploymentId);
  }

  @FieldResolver(() => DeploymentType, {
    description: 'Second deployment of the old version, which the new one is compared with.',
  })
  controlDeployment(@Root() canary: CanaryType, @Ctx() ctx: RequestContext): Promise<DeploymentType | null> {
    return ctx.loaders.deployment.load(canary.controlDeploymentId);
  }

  @FieldResolver(() => DeploymentType, { description: 'Deployment of the old version, with the rest of the traffic.' })
  stableDeployment(@Root() canary: CanaryType, @Ctx() ctx: RequestContext): Promise<DeploymentType | null> {
    return ctx.loaders.deployment.load(canary.stableDeploymentId);
  }
}

const MAX_INCREASE = { ERROR_RATE: 0.01, LATENCY_P95: 0.5, WRONG_ANSWERS: 0.01 };

async function followCanary(ctx: RequestContext, canaryId: string): Promise<AsyncIterableIterator<Canary>> {
  const { canaries } = ctx.services;
  const read = () => ctx.run((session) => canaries.get(session, canaryId));
  const { id } = await read();
  return abortable((signal) => canaries.follow(read, id, signal));
}
