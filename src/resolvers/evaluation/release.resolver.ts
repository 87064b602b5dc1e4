import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { JobPayload } from '../jobs/job.types.js';
import type { RequestContext } from '../request-context.js';
import { ReleaseModelVersionInput } from './release.types.js';

@Resolver()
export class ReleaseResolver {
  @Mutation(() => JobPayload, {
    description:
      'Queues what brings a version to a stage: it is evaluated, validated and promoted as far as its gates ' +
      'let it. What has passed for the same version and dataset is not done again, so that a script may call ' +
      'it each time; no gate is overridden, and approvals stay with people. The job’s outcome tells the ' +
      'stage reached and the first gate not passed with the call that helps. CONFLICT when another version ' +
      'is in PRODUCTION than expected, or another release of the version is under way.',
  })
  async releaseModelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ReleaseModelVersionInput, {
      description: 'The version, where it goes, and which rows judge it.',
    })
    input: ReleaseModelVersionInput,
  ): Promise<JobPayload> {
    const { releases, jobs } = ctx.services;
    const { waitMs, ...release } = input;
    return { job: await jobs.begunAndWaited(ctx, waitMs ?? 0, (session) => releases.start(session, release)) };
  }
}
