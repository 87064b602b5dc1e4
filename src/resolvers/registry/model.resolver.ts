import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { requireOneWay } from '../look-up.js';
import type { RequestContext } from '../request-context.js';
import { KeyValue, OrderDirection, toKeyValues } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { DateTime } from '../types/scalars.js';
import { ModelVersionConnection, ModelVersionOrderInput, ModelVersionType } from './model-version.types.js';
import {
  CreateModelInput,
  DeletedPayload,
  DeleteModelInput,
  GetOrCreateModelPayload,
  ModelConnection,
  ModelFilterInput,
  ModelOrderInput,
  ModelPayload,
  ModelType,
  StageEnum,
  type StageName,
  StageTransitionConnection,
  StageTransitionFilterInput,
  StageTransitionOrderInput,
  StageTransitionType,
  UpdateModelInput,
} from './model.types.js';

@Resolver(() => ModelType)
export class ModelResolver {
  @Query(() => ModelType, {
    description: 'One model, by exactly one of `id` and `name`. NOT_FOUND when there is none.',
  })
  model(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      nullable: true,
      description: 'Id (UUID) of the model; NOT_FOUND for one of another tenant, as for one that never was.',
    })
    id?: string | null,
    @Arg('name', () => String, { nullable: true, description: 'Its exact name, instead of `id`; case matters.' })
    name?: string | null,
  ): Promise<ModelType> {
    requireOneWay({ id, name });
    const { models } = ctx.services;
    return ctx.run((session) => (id == null ? models.getByName(session, name!) : models.get(session, id)));
  }

  @Query(() => ModelConnection, { description: 'Models of the tenant, newest first unless ordered otherwise.' })
  async models(
    @Ctx() ctx: RequestContext,
    @Args(() => PageArgs) page: PageArgs,
    @Arg('filter', () => ModelFilterInput, { nullable: true, description: 'Which models; all when absent.' })
    filter?: ModelFilterInput,
    @Arg('orderBy', () => ModelOrderInput, { nullable: true, description: 'Order; newest first when absent.' })
    orderBy?: ModelOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.models.list(session, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Query(() => ModelVersionType, {
    nullable: true,
    description: 'The version of a model that was in PRODUCTION at an instant; null for none.',
  })
  productionVersionAt(
    @Ctx() ctx: RequestContext,
    @Arg('modelId', () => ID, { description: 'The model. NOT_FOUND when it does not exist.' }) modelId: string,
    @Arg('at', () => DateTime, { description: 'The instant, UTC; a change counts from its own instant on.' }) at: Date,
  ): Promise<ModelVersionType | null> {
    return ctx.run((session) => ctx.services.stages.productionAt(session, modelId, at));
  }

  @Query(() => StageEnum, {
    nullable: true,
    description: 'The stage in which a version stood at an instant; null before it was registered.',
  })
  stageAt(
    @Ctx() ctx: RequestContext,
    @Arg('modelVersionId', () => ID, { description: 'The version. NOT_FOUND when it does not exist.' })
    modelVersionId: string,
    @Arg('at', () => DateTime, { description: 'The instant, UTC; a change counts from its own instant on.' }) at: Date,
  ): Promise<StageName | null> {
    return ctx.run((session) => ctx.services.stages.stageAt(session, modelVersionId, at));
  }

  @Query(() => StageTransitionConnection, {
    description:
      'Every step of a model’s versions from stage to stage, newest first unless ordered otherwise: who, when, why.',
  })
  async modelHistory(
    @Ctx() ctx: RequestContext,
    @Arg('modelId', () => ID, { description: 'The model. NOT_FOUND when it does not exist.' }) modelId: string,
    @Args(() => PageArgs) page: PageArgs,
    @Arg('filter', () => StageTransitionFilterInput, { nullable: true, description: 'Which steps; all when absent.' })
    filter?: StageTransitionFilterInput,
    @Arg('orderBy', () => StageTransitionOrderInput, {
      nullable: true,
      description: 'Order; newest first when absent.',
    })
    orderBy?: StageTransitionOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.stages.history(session, modelId, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Mutation(() => ModelPayload, {
    description: 'Creates a model, as yet without versions. CONFLICT when the name is taken.',
  })
  async createModel(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateModelInput, { description: 'The new model.' }) input: CreateModelInput,
  ): Promise<ModelPayload> {
    return { model: await ctx.run((session) => ctx.services.models.create(session, input)) };
  }

  @Mutation(() => GetOrCreateModelPayload, {
    description:
      'The model of a name, made when there is none: a script may begin with it however often it runs, and ' +
      'of several at once one makes it. One that is there stays as it is; CONFLICT when its task is another.',
  })
  getOrCreateModel(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateModelInput, { description: 'The name and the task, and what a new model has besides.' })
    input: CreateModelInput,
  ): Promise<GetOrCreateModelPayload> {
    return ctx.run((session) => ctx.services.models.getOrCreate(session, input));
  }

  @Mutation(() => ModelPayload, {
    description:
      'Changes a model’s name, description, task or tags; new tags replace all. NOT_FOUND when there is ' +
      'none, CONFLICT when the name is taken.',
  })
  async updateModel(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => UpdateModelInput, { description: 'What to change.' }) input: UpdateModelInput,
  ): Promise<ModelPayload> {
    return { model: await ctx.run((session) => ctx.services.models.update(session, input)) };
  }

  @Mutation(() => DeletedPayload, {
    description:
      'Deletes a model with its versions and their files. CONFLICT while the history of production or an ' +
      'endpoint needs it.',
  })
  async deleteModel(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteModelInput, { description: 'The model to remove, without endpoints.' })
    input: DeleteModelInput,
  ): Promise<DeletedPayload> {
    await ctx.run((session) => ctx.services.models.delete(session, input.id));
    return { deletedId: input.id };
  }

  @FieldResolver(() => [KeyValue], { description: 'Tags, each key once.' })
  tags(@Root() model: ModelType): KeyValue[] {
    return toKeyValues(model.tags);
  }

  @FieldResolver(() => ModelVersionType, {
    nullable: true,
    description: 'Version in PRODUCTION; null when there is none.',
  })
  productionVersion(@Root() model: ModelType, @Ctx() ctx: RequestContext): Promise<ModelVersionType | null> {
    return ctx.loaders.productionVersion.load(model.id);
  }

  @FieldResolver(() => ModelVersionConnection, {
    description: 'Versions, highest number first by default.',
  })
  async versions(
    @Root() model: ModelType,
    @Ctx() ctx: RequestContext,
    @Args(() => PageArgs) page: PageArgs,
    @Arg('orderBy', () => ModelVersionOrderInput, {
      nullable: true,
      description: 'Sort order; highest number first when absent.',
    })
    orderBy?: ModelVersionOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'version' as const, direction: OrderDirection.DESC };
    const isFirst = orderBy == null && page.after == null;
    const result = isFirst
      ? await ctx.loaders.modelVersions.load({ ownerId: model.id, first: page.first ?? null })
      : await ctx.run((session) => ctx.services.modelVersions.list(session, { modelId: model.id }, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }
}

@Resolver(() => StageTransitionType)
export class StageTransitionResolver {
  @FieldResolver(() => ModelVersionType, { description: 'The version that took the step.' })
  modelVersion(@Root() transition: StageTransitionType, @Ctx() ctx: RequestContext): Promise<ModelVersionType | null> {
    return ctx.loaders.modelVersion.load(transition.modelVersionId);
  }
}
