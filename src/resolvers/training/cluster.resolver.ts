import { Ctx, FieldResolver, Query, Resolver, Root } from 'type-graphql';
import { JobType } from '../jobs/job.types.js';
import type { RequestContext } from '../request-context.js';
import { ClusterJobType, ClusterType } from './cluster.types.js';

@Resolver(() => ClusterJobType)
export class ClusterResolver {
  @Query(() => ClusterType, {
    nullable: true,
    description:
      'The cluster of the backend RAY: nodes, resources, what waits for resources, and the work of your tenant. Null ' +
      'when none is configured (RAY_ADDRESS).',
  })
  cluster(@Ctx() ctx: RequestContext): Promise<ClusterType | null> {
    return ctx.services.trainings.cluster(ctx.principal.tenant);
  }

  @FieldResolver(() => JobType, { nullable: true, description: 'The job; null when it was deleted meanwhile.' })
  job(@Root() { jobId }: ClusterJobType, @Ctx() ctx: RequestContext): Promise<JobType | null> {
    return ctx.loaders.job.load(jobId);
  }
}
