import { Arg, Ctx, Extensions, Query, Resolver } from 'type-graphql';
import { Role } from '../../modules/core/index.js';
import type { RequestContext } from '../request-context.js';
import { OrderDirection } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { AuditEntryConnection, AuditEntryType, AuditFilterInput, AuditOrderInput } from './audit-log.types.js';
import { ArgsWithRanges } from '../types/range.js';

@Resolver(() => AuditEntryType)
export class AuditLogResolver {
  @Extensions({ minRole: Role.ADMIN })
  @Query(() => AuditEntryConnection, {
    description: 'Audit log of the tenant: who changed what, newest first by default. FORBIDDEN below the role ADMIN.',
  })
  async auditLog(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => AuditFilterInput, { nullable: true, description: 'Filter for entries; all when absent.' })
    filter?: AuditFilterInput,
    @Arg('orderBy', () => AuditOrderInput, { nullable: true, description: 'Sort order; newest first when absent.' })
    orderBy?: AuditOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.auditLog.list(session, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }
}
