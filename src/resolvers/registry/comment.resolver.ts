import { Arg, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { badInput } from '../../errors.js';
import type { RequestContext } from '../request-context.js';
import { OrderDirection } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import {
  CreateModelCommentInput,
  DeleteModelCommentInput,
  ModelCommentConnection,
  ModelCommentFilterInput,
  ModelCommentOrderInput,
  ModelCommentPayload,
  ModelCommentType,
  UpdateModelCommentInput,
} from './comment.types.js';
import { ModelVersionType } from './model-version.types.js';
import { DeletedPayload, ModelType } from './model.types.js';
import { ArgsWithRanges } from '../types/range.js';

@Resolver(() => ModelCommentType)
export class CommentResolver {
  @Query(() => ModelCommentConnection, {
    description:
      'Comments on a model and all its versions, or on one version, newest first by default. ' +
      'NOT_FOUND when the model or version does not exist.',
  })
  async modelComments(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('modelId', () => ID, {
      nullable: true,
      description: 'Model, including its versions; give this or `modelVersionId`.',
    })
    modelId?: string,
    @Arg('modelVersionId', () => ID, { nullable: true, description: 'Only this version; give this or `modelId`.' })
    modelVersionId?: string,
    @Arg('filter', () => ModelCommentFilterInput, {
      nullable: true,
      description: 'Filter for comments; all when absent.',
    })
    filter?: ModelCommentFilterInput,
    @Arg('orderBy', () => ModelCommentOrderInput, {
      nullable: true,
      description: 'Sort order; newest first when absent.',
    })
    orderBy?: ModelCommentOrderInput,
  ): Promise<object> {
    const of = eitherOf('modelId', modelId, modelVersionId);
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.comments.list(session, of, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Mutation(() => ModelCommentPayload, { description: 'Writes a comment on a model or a version.' })
  async createModelComment(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateModelCommentInput, { description: 'Model or version, and the text.' })
    { modelId, modelVersionId, body }: CreateModelCommentInput,
  ): Promise<ModelCommentPayload> {
    const on = eitherOf('input', modelId, modelVersionId);
    return { comment: await ctx.run((session) => ctx.services.comments.create(session, { on, body })) };
  }

  @Mutation(() => ModelCommentPayload, { description: 'Changes the text of a comment; only for its author.' })
  async updateModelComment(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => UpdateModelCommentInput, { description: 'Comment and its new text.' })
    input: UpdateModelCommentInput,
  ): Promise<ModelCommentPayload> {
    return { comment: await ctx.run((session) => ctx.services.comments.update(session, input)) };
  }

  @Mutation(() => DeletedPayload, {
    description: 'Deletes a comment; only for its author and ADMIN. The audit log keeps the text.',
  })
  async deleteModelComment(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteModelCommentInput, { description: 'Id of the comment to remove.' })
    input: DeleteModelCommentInput,
  ): Promise<DeletedPayload> {
    await ctx.run((session) => ctx.services.comments.delete(session, input.id));
    return { deletedId: input.id };
  }

  @FieldResolver(() => ModelType, {
    description: 'Model that the comment is about, as a whole or through one version.',
  })
  model(@Root() comment: ModelCommentType, @Ctx() ctx: RequestContext): Promise<ModelType | null> {
    return ctx.loaders.model.load(comment.modelId);
  }

  @FieldResolver(() => ModelVersionType, {
    nullable: true,
    description: 'Version that the comment is about; null when it is about the model as a whole.',
  })
  modelVersion(@Root() comment: ModelCommentType, @Ctx() ctx: RequestContext): Promise<ModelVersionType | null> | null {
    return comment.modelVersionId ? ctx.loaders.modelVersion.load(comment.modelVersionId) : null;
  }
}

function eitherOf(
  field: string,
  modelId: string | null | undefined,
  modelVersionId: string | null | undefined,
): { modelId: string } | { modelVersionId: string } {
  if (modelId != null && modelVersionId == null) return { modelId };
  if (modelVersionId != null && modelId == null) return { modelVersionId };
  throw badInput(field, 'exactly one of modelId and modelVersionId', { modelId, modelVersionId });
}
