import { Arg, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { requireOneWay } from '../look-up.js';
import type { RequestContext } from '../request-context.js';
import { DeleteModelAliasInput, ModelAliasPayload, ModelAliasType, SetModelAliasInput } from './alias.types.js';
import { ModelVersionType } from './model-version.types.js';
import { DeletedPayload, ModelType } from './model.types.js';

@Resolver(() => ModelAliasType)
export class AliasResolver {
  @Query(() => ModelVersionType, {
    description: 'Version of a model that an alias points to. NOT_FOUND when the model or the alias does not exist.',
  })
  modelVersionByAlias(
    @Ctx() ctx: RequestContext,
    @Arg('alias', () => String, { description: 'Name of the alias, e.g. `champion`; case-sensitive.' }) alias: string,
    @Arg('modelId', () => ID, {
      nullable: true,
      description: 'Id (UUID) of the model, instead of `modelName`; NOT_FOUND when it does not exist.',
    })
    modelId?: string,
    @Arg('modelName', () => String, {
      nullable: true,
      description: 'Name of the model, instead of `modelId`; NOT_FOUND when it does not exist.',
    })
    modelName?: string,
  ): Promise<ModelVersionType> {
    requireOneWay({ modelId, modelName });
    const of = modelId == null ? { modelName: modelName as string } : { modelId };
    return ctx.run((session) => ctx.services.aliases.resolve(session, of, alias));
  }

  @Mutation(() => ModelAliasPayload, {
    description:
      'Sets an alias of a model to one of its versions. If the alias pointed to another version, it ' +
      'no longer does.',
  })
  async setModelAlias(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => SetModelAliasInput, { description: 'Alias and version.' }) input: SetModelAliasInput,
  ): Promise<ModelAliasPayload> {
    return { modelAlias: await ctx.run((session) => ctx.services.aliases.set(session, input)) };
  }

  @Mutation(() => DeletedPayload, {
    description: 'Deletes an alias; the version that it pointed to does not change.',
  })
  async deleteModelAlias(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteModelAliasInput, { description: 'Alias and its model.' })
    input: DeleteModelAliasInput,
  ): Promise<DeletedPayload> {
    const { id } = await ctx.run((session) => ctx.services.aliases.delete(session, input));
    return { deletedId: id };
  }

  @FieldResolver(() => ModelType, { description: 'Model that owns the alias.' })
  model(@Root() alias: ModelAliasType, @Ctx() ctx: RequestContext): Promise<ModelType | null> {
    return ctx.loaders.model.load(alias.modelId);
  }

  @FieldResolver(() => ModelVersionType, { description: 'Version that the alias points to.' })
  modelVersion(@Root() alias: ModelAliasType, @Ctx() ctx: RequestContext): Promise<ModelVersionType | null> {
    return ctx.loaders.modelVersion.load(alias.modelVersionId);
  }
}

@Resolver(() => ModelType)
export class ModelAliasesResolver {
  @FieldResolver(() => [ModelAliasType], { description: 'Aliases of the model’s versions, in code point order.' })
  aliases(@Root() model: ModelType, @Ctx() ctx: RequestContext): Promise<ModelAliasType[]> {
    return ctx.loaders.modelAliases.load(model.id);
  }
}

@Resolver(() => ModelVersionType)
export class VersionAliasesResolver {
  @FieldResolver(() => [String], { description: 'Aliases that point to this version, in code point order.' })
  async aliases(@Root() version: ModelVersionType, @Ctx() ctx: RequestContext): Promise<string[]> {
    return (await ctx.loaders.versionAliases.load(version.id)).map(({ alias }) => alias);
  }
}
