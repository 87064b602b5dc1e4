import { Arg, Ctx, Extensions, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { Role } from '../../modules/core/index.js';
import { NO_AMOUNTS } from '../../modules/jobs/index.js';
import type { RequestContext } from '../request-context.js';
import { JobPayload, JobType } from './job.types.js';
import {
  QueueExplanationType,
  SetJobPriorityInput,
  SetTenantShareInput,
  TenantShare,
  TenantSharePayload,
} from './queue.types.js';

@Resolver(() => QueueExplanationType)
export class QueueResolver {
  @Query(() => QueueExplanationType, {
    description:
      'Why a job waits: its position, what is ahead of it, the share of its tenant, when it will begin, and one ' +
      'sentence. For a job that runs or has ended, the sentence says so.',
  })
  async explainQueue(
    @Ctx() ctx: RequestContext,
    @Arg('jobId', () => ID, {
      description: 'Id (UUID) of the job. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    jobId: string,
  ): Promise<QueueExplanationType> {
    const { expectedStart, ...explained } = await ctx.services.queueExplainer.explain(ctx, jobId);
    return {
      ...explained,
      expectedStart: expectedStart && {
        earliest: new Date(expectedStart.p10Ms),
        median: new Date(expectedStart.p50Ms),
        latest: expectedStart.p90Ms === null ? null : new Date(expectedStart.p90Ms),
      },
    };
  }

  @FieldResolver(() => [JobType], {
    description: 'Jobs of the tenant that begin before it, the first one first, at most 100.',
  })
  async ahead(@Root() { aheadIds }: QueueExplanationType, @Ctx() ctx: RequestContext): Promise<JobType[]> {
    const jobs = await Promise.all(aheadIds.map((id) => ctx.loaders.job.load(id)));
    return jobs.filter((job) => job !== null);
  }

  @Query(() => TenantShare, {
    description: 'Share of the caller’s tenant: weight, quota, borrowing limit, and what it deserves and uses now.',
  })
  tenantShare(@Ctx() ctx: RequestContext): Promise<TenantShare> {
    return ctx.services.shares.get(ctx);
  }

  @Extensions({ minRole: Role.ADMIN })
  @Mutation(() => TenantSharePayload, {
    description:
      'Sets the weight, quota and borrowing limit of a tenant, for the jobs that begin from now on. Needs ADMIN; ' +
      'FORBIDDEN for another tenant, unless the setting OPERATOR_TENANT names the caller’s tenant.',
  })
  async setTenantShare(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => SetTenantShareInput, { description: 'The tenant and its share.' })
    { quota, borrowingLimit, ...input }: SetTenantShareInput,
  ): Promise<TenantSharePayload> {
    const share = {
      ...input,
      quota: { ...NO_AMOUNTS, ...quota },
      borrowingLimit: { ...NO_AMOUNTS, ...borrowingLimit },
    };
    return { share: await ctx.services.shares.set(ctx, share) };
  }

  @Mutation(() => JobPayload, { description: 'Changes the priority of a queued job. CONFLICT unless it is QUEUED.' })
  async setJobPriority(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => SetJobPriorityInput, { description: 'Job and priority.' })
    { jobId, priority }: SetJobPriorityInput,
  ): Promise<JobPayload> {
    return { job: await ctx.run((session) => ctx.services.jobs.setPriority(session, jobId, priority)) };
  }
}
