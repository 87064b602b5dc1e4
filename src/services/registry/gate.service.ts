import { GateResult } from '../../db/entities/registry/gate-result.entity.js';
import type { Session } from '../../db/database.js';
import type { Gate, GateDecision } from '../../domain/registry/gates.js';

/** Evidence of a version's quality: the results of its gates, newest counting. */
export class GateService {
  record(session: Session, { modelVersionId, gate, passed, checks }: GateDecision & { modelVersionId: string; gate: Gate }): GateResult {
    return session.em.create(GateResult, {
      tenant: session.tenant,
      modelVersionId,
      gate,
      passed,
      checks,
      createdBy: session.principal.subject,
    });
  }

  /** The newest result of each gate that the version has met. */
  async latest(session: Session, modelVersionId: string): Promise<Map<Gate, GateResult>> {
    const results = await session.em.find(
      GateResult,
      { tenant: session.tenant, modelVersionId },
      { orderBy: { createdAt: 'ASC', id: 'ASC' } },
    );
    return new Map(results.map((result) => [result.gate, result]));
  }
}
