import { Ctx, Extensions, Query, Resolver } from 'type-graphql';
import { Role } from '../../modules/core/index.js';
import type { RequestContext } from '../request-context.js';
import { MirrorStatus } from './mirror.types.js';

@Resolver()
export class MirrorResolver {
  @Extensions({ minRole: Role.ADMIN })
  @Query(() => MirrorStatus, {
    description:
      'State of the mirroring to the other tracking server: whether it is complete, and the errors ' +
      'of waiting objects. FORBIDDEN below the role ADMIN.',
  })
  mirrorStatus(@Ctx() ctx: RequestContext): Promise<MirrorStatus> {
    return ctx.run((session) => ctx.services.mirror.status(session));
  }
}
