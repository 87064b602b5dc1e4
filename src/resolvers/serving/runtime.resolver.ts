import { Ctx, Query, Resolver } from 'type-graphql';
import type { RequestContext } from '../request-context.js';
import { RuntimeInfoType } from './runtime.types.js';

@Resolver()
export class RuntimeResolver {
  @Query(() => [RuntimeInfoType], {
    description: 'Every runtime that the service knows, configured or not, always in the same order.',
  })
  runtimes(@Ctx() ctx: RequestContext): RuntimeInfoType[] {
    return ctx.services.runtimes.list();
  }
}
