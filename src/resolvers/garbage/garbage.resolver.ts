import { Arg, Ctx, Extensions, Mutation, Resolver } from 'type-graphql';
import { Role } from '../../modules/core/index.js';
import type { RequestContext } from '../request-context.js';
import { CollectGarbageInput, GarbageCollectionPayload, ResumeGarbageCollectionInput } from './garbage.types.js';

const ADMIN = { minRole: Role.ADMIN };

@Resolver()
export class GarbageResolver {
  @Extensions(ADMIN)
  @Mutation(() => GarbageCollectionPayload, {
    description:
      'Removes deleted runs, experiments and logged models for good, with metrics, logs, files and ' +
      'checkpoints; names are free again afterwards. What a registered version came from stays. Needs ADMIN.',
  })
  async collectGarbage(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CollectGarbageInput, { description: 'What to remove.' }) input: CollectGarbageInput,
  ): Promise<GarbageCollectionPayload> {
    return { job: await ctx.run((session) => ctx.services.garbage.start(session, input)) };
  }

  @Extensions(ADMIN)
  @Mutation(() => GarbageCollectionPayload, {
    description:
      'Goes on with a collection that failed or was cancelled, where it stopped; `cancelJob` cancels one. Needs ADMIN.',
  })
  async resumeGarbageCollection(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ResumeGarbageCollectionInput, { description: 'Which collection goes on.' })
    input: ResumeGarbageCollectionInput,
  ): Promise<GarbageCollectionPayload> {
    return { job: await ctx.run((session) => ctx.services.garbage.resume(session, input.jobId)) };
  }
}
