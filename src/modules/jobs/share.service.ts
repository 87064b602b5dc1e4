import type { Actor, Database } from '../../db/database.js';
import { AppError, ErrorCode } from '../../errors.js';
import { audit } from '../platform/index.js';
import { explainShare, type ShareExplanation } from './rules/explain.js';
import { type Amounts, EQUAL_SHARE } from './rules/schedule.js';
import type { Scheduler } from './scheduler.service.js';
import { queueJobs, saveShare, storedShares } from './scheduling-store.js';

export interface ShareInput {
  /** The tenant of the caller when absent. */
  tenant?: string | null;
  weight: number;
  quota: Amounts;
  borrowingLimit: Amounts;
}

/** What belongs to each tenant when several want the same machines. */
export class ShareService {
  constructor(
    private readonly db: Database,
    private readonly scheduler: Scheduler,
    /** The only tenant whose ADMINs set shares, for all tenants; otherwise each tenant sets its own. */
    private readonly operator: string | undefined,
  ) {}

  async get({ principal: { tenant } }: Actor): Promise<ShareExplanation> {
    return this.db.asSystem(async (em) => {
      const jobs = await queueJobs(em, {});
      const running = jobs.filter(({ status }) => status === 'RUNNING');
      const waiting = jobs.filter(({ status }) => status === 'QUEUED');
      return explainShare(tenant, running, waiting, await this.scheduler.shares(em));
    });
  }

  /** FORBIDDEN for the share of another tenant, unless the caller's tenant operates the service. */
  async set(who: Actor, { tenant, ...share }: ShareInput): Promise<ShareExplanation> {
    const { principal } = who;
    const target = tenant ?? principal.tenant;
    if (this.operator === undefined ? target !== principal.tenant : principal.tenant !== this.operator) {
      const expected =
        this.operator === undefined ? principal.tenant : 'a token of the tenant that operates the service';
      throw new AppError(
        ErrorCode.FORBIDDEN,
        this.operator === undefined
          ? 'The share of another tenant can be set only when OPERATOR_TENANT names the tenant of the operators.'
          : 'Only ADMINs of the tenant that operates the service set shares: ask one of them.',
        { field: 'input.tenant', expected, got: target },
      );
    }
    // The row and its audit entry belong to the tenant whose share it is.
    const asTarget = { ...who, principal: { ...principal, tenant: target } };
    await this.db.transact(asTarget, async (session) => {
      const { weight, quota, borrowingLimit } = (await storedShares(session.em, target))[0] ?? EQUAL_SHARE;
      saveShare(session, share);
      audit(session, 'setTenantShare', { type: 'tenant', id: target }, { weight, quota, borrowingLimit }, share);
    });
    return this.get(asTarget);
  }
}
