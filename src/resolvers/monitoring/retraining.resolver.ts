import { Arg, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { ModelType } from '../registry/model.types.js';
import type { RequestContext } from '../request-context.js';
import {
  DeleteRetrainingPolicyInput,
  DeleteRetrainingPolicyPayload,
  RetrainingPolicyPayload,
  RetrainingPolicyType,
  SetRetrainingPolicyInput,
} from './retraining.types.js';

@Resolver(() => RetrainingPolicyType)
export class RetrainingResolver {
  @Query(() => RetrainingPolicyType, {
    nullable: true,
    description: 'The retraining policy of a model; null when it has none.',
  })
  retrainingPolicy(
    @Ctx() ctx: RequestContext,
    @Arg('modelId', () => ID, { description: 'The model. NOT_FOUND when it does not exist.' }) modelId: string,
  ): Promise<RetrainingPolicyType | null> {
    return ctx.run((session) => ctx.services.retrainingPolicies.get(session, modelId));
  }

  @Mutation(() => RetrainingPolicyPayload, {
    description:
      'Sets which alerts of a model start a retraining on new data, how often at most, and on which dataset.',
  })
  async setRetrainingPolicy(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => SetRetrainingPolicyInput, { description: 'Model and policy.' })
    input: SetRetrainingPolicyInput,
  ): Promise<RetrainingPolicyPayload> {
    return { policy: await ctx.run((session) => ctx.services.retrainingPolicies.set(session, input)) };
  }

  @Mutation(() => DeleteRetrainingPolicyPayload, {
    description: 'Deletes a retraining policy; trainings that it has started continue.',
  })
  async deleteRetrainingPolicy(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteRetrainingPolicyInput, { description: 'Model whose policy to delete.' })
    input: DeleteRetrainingPolicyInput,
  ): Promise<DeleteRetrainingPolicyPayload> {
    await ctx.run((session) => ctx.services.retrainingPolicies.delete(session, input.modelId));
    return { modelId: input.modelId };
  }
}

@Resolver(() => ModelType)
export class ModelRetrainingResolver {
  @FieldResolver(() => RetrainingPolicyType, {
    nullable: true,
    description: 'Policy that says which alerts start a retraining; null without a policy.',
  })
  retrainingPolicy(@Root() model: ModelType, @Ctx() ctx: RequestContext): Promise<RetrainingPolicyType | null> {
    return ctx.loaders.retrainingPolicy.load(model.id);
  }
}
