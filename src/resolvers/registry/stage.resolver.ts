import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import type { RequestContext } from '../request-context.js';
import { ModelVersionPayload } from './model-version.types.js';
import {
  DemoteModelVersionInput,
  PromoteModelVersionInput,
  RollbackModelInput,
  RollbackPayload,
} from './stage.types.js';

@Resolver()
export class StageResolver {
  @Mutation(() => ModelVersionPayload, {
    description:
      'Takes a version one stage further; to PRODUCTION, the version there is archived in the same ' +
      'transaction and endpoints that follow the stage move. GATE_NOT_PASSED names each missing gate and, in ' +
      '`extensions.missing`, what to call next.',
  })
  async promoteModelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => PromoteModelVersionInput, { description: 'The version and where it goes.' })
    input: PromoteModelVersionInput,
  ): Promise<ModelVersionPayload> {
    return { modelVersion: await ctx.run((session) => ctx.services.stages.promote(session, input)) };
  }

  @Mutation(() => ModelVersionPayload, {
    description: 'Takes the version in PRODUCTION out of it, without a successor. CONFLICT when it is not there.',
  })
  async archiveModelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DemoteModelVersionInput, { description: 'The version that leaves, and why.' })
    input: DemoteModelVersionInput,
  ): Promise<ModelVersionPayload> {
    return {
      modelVersion: await ctx.run((session) => ctx.services.stages.demote(session, { ...input, toStage: 'ARCHIVED' })),
    };
  }

  @Mutation(() => ModelVersionPayload, {
    description: 'Sends a version back to DEVELOPMENT from any other stage; what its gates proved stays valid.',
  })
  async demoteModelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DemoteModelVersionInput, { description: 'The version that leaves, and why.' })
    input: DemoteModelVersionInput,
  ): Promise<ModelVersionPayload> {
    return {
      modelVersion: await ctx.run((session) =>
        ctx.services.stages.demote(session, { ...input, toStage: 'DEVELOPMENT' }),
      ),
    };
  }

  @Mutation(() => RollbackPayload, {
    description:
      'Brings the version that was in PRODUCTION before back on its earlier evidence; the present one goes ' +
      'to DEVELOPMENT. Doing it twice is there and back.',
  })
  rollbackModel(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RollbackModelInput, { description: 'The model, why, and who is in production now.' })
    input: RollbackModelInput,
  ): Promise<RollbackPayload> {
    return ctx.run((session) => ctx.services.stages.rollback(session, input));
  }
}
