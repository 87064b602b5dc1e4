import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { JobPayload } from '../jobs/job.types.js';
import type { RequestContext } from '../request-context.js';
import { ReleaseModelVersionInput } from './release.types.js';

@Resolver()
export class ReleaseResolver {
  @Mutation(() => JobPayload, {
    description:
      'Queues a release: a job that evaluates, validates and promotes a version towards a stage, as ' +
      'far as its gates allow. Steps that have passed for the same version and dataset are not ' +
      'repeated, so that a script can call it every time. No gate is overridden, and people still ' +
      'give the approvals. The outcome of the job has the reached stage and the first gate that did ' +
      'not pass, with the call that helps. CONFLICT when another version is in PRODUCTION than ' +
      'expected, or another release of the version is running.',
  })
  async releaseModelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ReleaseModelVersionInput, {
      description: 'Version, target stage, and the rows for the evaluation.',
    })
    input: ReleaseModelVersionInput,
  ): Promise<JobPayload> {
    const { releases, jobs } = ctx.services;
    const { waitMs, ...release } = input;
    return { job: await jobs.begunAndWaited(ctx, waitMs ?? 0, (session) => releases.start(session, release)) };
  }
}
