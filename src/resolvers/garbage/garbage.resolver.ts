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
      'Permanently removes deleted runs, experiments and logged models with their metrics, logs, ' +
      'files and checkpoints; their names are free again afterwards. Sources of registered versions ' +
      'are kept. Needs ADMIN.',
  })
  async collectGarbage(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CollectGarbageInput, { description: 'Age and objects to remove.' }) input: CollectGarbageInput,
  ): Promise<GarbageCollectionPayload> {
    return { job: await ctx.run((session) => ctx.services.garbage.start(session, input)) };
  }

  @Extensions(ADMIN)
  @Mutation(() => GarbageCollectionPayload, {
    description:
      'Resumes a garbage collection that failed or was cancelled, where it stopped; `cancelJob` ' +
      'cancels one. Needs ADMIN.',
  })
  async resumeGarbageCollection(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ResumeGarbageCollectionInput, { description: 'Garbage collection to resume, by its job id.' })
    input: ResumeGarbageCollectionInput,
  ): Promise<GarbageCollectionPayload> {
    return { job: await ctx.run((session) => ctx.services.garbage.resume(session, input.jobId)) };
  }
}
