import { Arg, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { countApprovals, nextApprovalStage } from '../../modules/registry/index.js';
import { gatePolicyOf } from '../../modules/model-quality/index.js';
import type { RequestContext } from '../request-context.js';
import {
  ApprovalStateType,
  ApprovalType,
  ApproveModelVersionInput,
  RejectModelVersionInput,
} from './approval.types.js';
import { ModelVersionPayload, ModelVersionType } from './model-version.types.js';

@Resolver()
export class ApprovalResolver {
  @Mutation(() => ModelVersionPayload, {
    description:
      'Approves the next stage of a version. The gate policy of the model says how many approvals are required.',
  })
  async approveModelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ApproveModelVersionInput, { description: 'Version, its next stage, and the reason.' })
    input: ApproveModelVersionInput,
  ): Promise<ModelVersionPayload> {
    return { modelVersion: await ctx.run((session) => ctx.services.approvals.approve(session, input)) };
  }

  @Mutation(() => ModelVersionPayload, {
    description:
      'Rejects the next stage of a version: its promotion is GATE_NOT_PASSED until the same person ' +
      'approves or an ADMIN overrides.',
  })
  async rejectModelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RejectModelVersionInput, { description: 'Version, its next stage, and the reason.' })
    input: RejectModelVersionInput,
  ): Promise<ModelVersionPayload> {
    return { modelVersion: await ctx.run((session) => ctx.services.approvals.reject(session, input)) };
  }
}

/** Approvals of a version. */
@Resolver(() => ModelVersionType)
export class VersionApprovalsResolver {
  @FieldResolver(() => [ApprovalType], {
    description: 'Approvals and rejections for all stages, newest first, at most a hundred.',
  })
  approvals(@Root() version: ModelVersionType, @Ctx() ctx: RequestContext): Promise<ApprovalType[]> {
    return ctx.loaders.versionApprovals.load(version.id);
  }

  @FieldResolver(() => ApprovalStateType, {
    nullable: true,
    description:
      'Approvals for the next stage and the number of missing ones; null in PRODUCTION and ' +
      'ARCHIVED, which have no next stage.',
  })
  async approvalState(
    @Root() version: ModelVersionType,
    @Ctx() ctx: RequestContext,
  ): Promise<ApprovalStateType | null> {
    const toStage = nextApprovalStage(version.stage);
    if (toStage === null) return null;
    const [model, approvals, transitions] = await Promise.all([
      ctx.loaders.model.load(version.modelId),
      ctx.loaders.versionApprovals.load(version.id),
      ctx.loaders.versionTransitions.load(version.id),
    ]);
    const arrivedAt = transitions[0]?.createdAt ?? null;
    return countApprovals(approvals, {
      toStage,
      arrivedAt,
      author: version.createdBy,
      policy: gatePolicyOf(model ?? {}),
    });
  }
}
