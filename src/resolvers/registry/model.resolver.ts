import { Arg, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
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
import { ArgsWithRanges } from '../types/range.js';

@Resolver(() => ModelType)
export class ModelResolver {
  @Query(() => ModelType, {
    description: 'One model, by exactly one of `id` and `name`. NOT_FOUND when it does not exist.',
  })
  model(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      nullable: true,
      description: 'Id (UUID) of the model. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id?: string | null,
    @Arg('name', () => String, { nullable: true, description: 'Exact name, instead of `id`; case-sensitive.' })
    name?: string | null,
  ): Promise<ModelType> {
    requireOneWay({ id, name });
    const { models } = ctx.services;
    return ctx.run((session) => (id == null ? models.getByName(session, name!) : models.get(session, id)));
  }

  @Query(() => ModelConnection, { description: 'Models of the tenant, newest first by default.' })
  async models(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => ModelFilterInput, { nullable: true, description: 'Filter for models; all when absent.' })
    filter?: ModelFilterInput,
    @Arg('orderBy', () => ModelOrderInput, { nullable: true, description: 'Sort order; newest first when absent.' })
    orderBy?: ModelOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.models.list(session, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Query(() => ModelVersionType, {
    nullable: true,
    description: 'Version of a model that was in PRODUCTION at a point in time; null when there was none.',
  })
  productionVersionAt(
    @Ctx() ctx: RequestContext,
    @Arg('modelId', () => ID, { description: 'The model. NOT_FOUND when it does not exist.' }) modelId: string,
    @Arg('at', () => DateTime, { description: 'Point in time, UTC; a change at exactly this time counts.' }) at: Date,
  ): Promise<ModelVersionType | null> {
    return ctx.run((session) => ctx.services.stages.productionAt(session, modelId, at));
  }

  @Query(() => StageEnum, {
    nullable: true,
    description: 'Stage of a version at a point in time; null before it was registered.',
  })
  stageAt(
    @Ctx() ctx: RequestContext,
    @Arg('modelVersionId', () => ID, { description: 'The version. NOT_FOUND when it does not exist.' })
    modelVersionId: string,
    @Arg('at', () => DateTime, { description: 'Point in time, UTC; a change at exactly this time counts.' }) at: Date,
  ): Promise<StageName | null> {
    return ctx.run((session) => ctx.services.stages.stageAt(session, modelVersionId, at));
  }

  @Query(() => StageTransitionConnection, {
    description: 'Stage changes of a model’s versions, newest first by default: who, when, why.',
  })
  async modelHistory(
    @Ctx() ctx: RequestContext,
    @Arg('modelId', () => ID, { description: 'The model. NOT_FOUND when it does not exist.' }) modelId: string,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => StageTransitionFilterInput, {
      nullable: true,
      description: 'Filter for stage changes; all when absent.',
    })
    filter?: StageTransitionFilterInput,
    @Arg('orderBy', () => StageTransitionOrderInput, {
      nullable: true,
      description: 'Sort order; newest first when absent.',
    })
    orderBy?: StageTransitionOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.stages.history(session, modelId, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Mutation(() => ModelPayload, {
    description: 'Creates a model; it has no versions yet. CONFLICT when the name is taken.',
  })
  async createModel(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateModelInput, { description: 'The new model.' }) input: CreateModelInput,
  ): Promise<ModelPayload> {
    return { model: await ctx.run((session) => ctx.services.models.create(session, input)) };
  }

  @Mutation(() => GetOrCreateModelPayload, {
    description:
      'Returns the model with the given name and creates it when it does not exist. A script can ' +
      'call it in every execution; of several calls at the same time, only one creates it. An ' +
      'existing model does not change; CONFLICT when it has another task.',
  })
  getOrCreateModel(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateModelInput, { description: 'Name and task, and the other properties of a new model.' })
    input: CreateModelInput,
  ): Promise<GetOrCreateModelPayload> {
    return ctx.run((session) => ctx.services.models.getOrCreate(session, input));
  }

  @Mutation(() => ModelPayload, {
    description:
      'Changes the name, description, task or tags of a model; new tags replace all tags. NOT_FOUND ' +
      'when it does not exist, CONFLICT when the name is taken.',
  })
  async updateModel(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => UpdateModelInput, { description: 'Object and its changes.' }) input: UpdateModelInput,
  ): Promise<ModelPayload> {
    return { model: await ctx.run((session) => ctx.services.models.update(session, input)) };
  }

  @Mutation(() => DeletedPayload, {
    description:
      'Deletes a model with its versions and their files. CONFLICT while the production history or ' +
      'an endpoint needs it.',
  })
  async deleteModel(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteModelInput, { description: 'Model to delete; it must not have endpoints.' })
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
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
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
  @FieldResolver(() => ModelVersionType, { description: 'Version that changed its stage.' })
  modelVersion(@Root() transition: StageTransitionType, @Ctx() ctx: RequestContext): Promise<ModelVersionType | null> {
    return ctx.loaders.modelVersion.load(transition.modelVersionId);
  }
}
