import { GateResult } from '../../db/entities/registry/gate-result.entity.js';
import type { Session } from '../../db/database.js';
import type { Gate, GateDecision } from '../../domain/gates.js';
import { sql } from '../../db/sql.js';

/** Evidence of a version's quality: the results of its gates, newest counting. */
export class GateService {
  record(session: Session, { modelVersionId, gate, passed, checks }: GateDecision & { modelVersionId: string; gate: Gate }): GateResult {
    return session.em.create(GateResult, { tenant: session.tenant, modelVersionId, gate, passed, checks, createdBy: session.principal.subject });
  }

  /** The newest result of each gate that the version has met. */
  async latest(session: Session, modelVersionId: string): Promise<Map<Gate, GateResult>> {
    const newest = await this.latestOf(session, [modelVersionId]);
    return new Map(newest.map((result) => [result.gate, result]));
  }

  async latestOf(session: Session, modelVersionIds: readonly string[]): Promise<GateResult[]> {
    return sql<GateResult>(
      session.em,
      `select distinct on (model_version_id, gate) id, tenant, created_at as "createdAt", model_version_id as "modelVersionId", gate, passed, checks,
         created_by as "createdBy"
       from gate_result where tenant = ? and model_version_id = any(?::uuid[])
       order by model_version_id, gate, created_at desc, id desc`,
      [session.tenant, [...modelVersionIds]],
    );
  }
}
