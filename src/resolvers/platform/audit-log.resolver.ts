import { Arg, Args, Ctx, Extensions, Query, Resolver } from 'type-graphql';
import { Role } from '../../modules/core/index.js';
import type { RequestContext } from '../request-context.js';
import { OrderDirection } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { AuditEntryConnection, AuditEntryType, AuditFilterInput, AuditOrderInput } from './audit-log.types.js';

@Resolver(() => AuditEntryType)
export class AuditLogResolver {
  @Extensions({ minRole: Role.ADMIN })
  @Query(() => AuditEntryConnection, {
    description:
      'Who changed what in the tenant, newest first unless ordered otherwise. FORBIDDEN below the role ADMIN.',
  })
  async auditLog(
    @Ctx() ctx: RequestContext,
    @Args(() => PageArgs) page: PageArgs,
    @Arg('filter', () => AuditFilterInput, { nullable: true, description: 'Which entries; all when absent.' })
    filter?: AuditFilterInput,
    @Arg('orderBy', () => AuditOrderInput, { nullable: true, description: 'Order; newest first when absent.' })
    orderBy?: AuditOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.auditLog.list(session, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }
}
