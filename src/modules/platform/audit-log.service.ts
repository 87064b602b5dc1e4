import type { FilterQuery } from '@mikro-orm/core';
import { AuditLog } from '../../db/entities/platform/audit-log.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { notFound } from '../../errors.js';
import { within } from './search.js';

export interface AuditFilter {
  actor?: string | null;
  action?: string | null;
  subjectType?: string | null;
  subjectId?: string | null;
  from?: Date | null;
  to?: Date | null;
}

/** Who changed what. Every use case adds entries; nothing changes them. */
export class AuditLogService {
  async list(
    session: Session,
    filter: AuditFilter,
    page: PageRequest,
    order: Order<'createdAt'>,
  ): Promise<Page<AuditLog>> {
    const { from, to, ...equal } = filter;
    const where: FilterQuery<AuditLog> = { tenant: session.tenant, ...within({ from, to }) };
    for (const [field, value] of Object.entries(equal)) if (value != null) Object.assign(where, { [field]: value });
    if (
      filter.subjectId != null &&
      !(await session.em.count(AuditLog, { tenant: session.tenant, subjectId: filter.subjectId }))
    ) {
      throw notFound('audit entry about', filter.subjectId);
    }
    return paginate(session, AuditLog, where, page, order);
  }
}
