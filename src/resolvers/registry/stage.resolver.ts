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
      'Promotes a version to its next stage. To PRODUCTION: the version that is there is archived ' +
      'in the same transaction, and endpoints that follow the stage serve the new version. ' +
      'GATE_NOT_PASSED names each missing gate and, in `extensions.missing`, the call that helps.',
  })
  async promoteModelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => PromoteModelVersionInput, { description: 'Version and target stage.' })
    input: PromoteModelVersionInput,
  ): Promise<ModelVersionPayload> {
    return { modelVersion: await ctx.run((session) => ctx.services.stages.promote(session, input)) };
  }

  @Mutation(() => ModelVersionPayload, {
    description:
      'Moves the version in PRODUCTION to ARCHIVED, without a successor. CONFLICT when the version ' +
      'is not in PRODUCTION.',
  })
  async archiveModelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DemoteModelVersionInput, { description: 'Version to move, and the reason.' })
    input: DemoteModelVersionInput,
  ): Promise<ModelVersionPayload> {
    return {
      modelVersion: await ctx.run((session) => ctx.services.stages.demote(session, { ...input, toStage: 'ARCHIVED' })),
    };
  }

  @Mutation(() => ModelVersionPayload, {
    description: 'Moves a version from any other stage back to DEVELOPMENT; results of its gates stay valid.',
  })
  async demoteModelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DemoteModelVersionInput, { description: 'Version to move, and the reason.' })
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
      'Moves the previous version in PRODUCTION back to PRODUCTION, on its earlier gate results; ' +
      'the current one goes to DEVELOPMENT. A second rollback undoes the first one.',
  })
  rollbackModel(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RollbackModelInput, {
      description: 'Model, reason, and the version that is in PRODUCTION now.',
    })
    input: RollbackModelInput,
  ): Promise<RollbackPayload> {
    return ctx.run((session) => ctx.services.stages.rollback(session, input));
  }
}
