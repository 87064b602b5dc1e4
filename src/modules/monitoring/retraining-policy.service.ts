import { RetrainingPolicy } from '../../db/entities/monitoring/retraining-policy.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import { Dataset } from '../../db/entities/datasets/dataset.entity.js';
import type { Session } from '../../db/database.js';
import type { AlertKind } from '../alerts/index.js';
import { badInput, notFound } from '../../errors.js';
import { requireOwn, audit } from '../platform/index.js';

export interface RetrainingPolicyInput {
  modelId: string;
  datasetName: string;
  alertKinds: AlertKind[];
  cooldownMs: number;
  budgetPer30Days: number;
  enabled: boolean;
}

const DAY_MS = 24 * 60 * 60 * 1000;
export const MAX_COOLDOWN_MS = 365 * DAY_MS;
export const MAX_BUDGET = 1_000;

/** Which alerts of a model may start a training, how often, and on which dataset. */
export class RetrainingPolicyService {
  async set(session: Session, input: RetrainingPolicyInput): Promise<RetrainingPolicy> {
    const { modelId, ...settings } = input;
    await requireOwn(session, Model, 'model', [modelId]);
    await this.check(session, settings.datasetName);
    const values = { ...settings, alertKinds: [...new Set(settings.alertKinds)] };
    const policy = await session.em.findOne(RetrainingPolicy, { tenant: session.tenant, modelId });
    const before = policy && view(policy);
    const saved = policy
      ? Object.assign(policy, values)
      : session.em.create(RetrainingPolicy, {
          tenant: session.tenant,
          modelId,
          ...values,
          createdBy: session.principal.subject,
        });
    audit(session, 'setRetrainingPolicy', { type: 'model', id: modelId }, before, view(saved));
    return saved;
  }

  /** Null when the model has no policy. */
  async get(session: Session, modelId: string): Promise<RetrainingPolicy | null> {
    await requireOwn(session, Model, 'model', [modelId]);
    return session.em.findOne(RetrainingPolicy, { tenant: session.tenant, modelId });
  }

  async delete(session: Session, modelId: string): Promise<void> {
    const policy = await this.get(session, modelId);
    if (!policy) throw notFound('retraining policy of model', modelId);
    session.em.remove(policy);
    audit(session, 'deleteRetrainingPolicy', { type: 'model', id: modelId }, view(policy), null);
  }

  private async check(session: Session, datasetName: string): Promise<void> {
    if (!(await session.em.count(Dataset, { tenant: session.tenant, name: datasetName }))) {
      throw badInput('input.datasetName', 'the name of a registered dataset', datasetName);
    }
  }
}

function view({
  datasetName,
  alertKinds,
  cooldownMs,
  budgetPer30Days,
  enabled,
}: RetrainingPolicy): Omit<RetrainingPolicyInput, 'modelId'> {
  return { datasetName, alertKinds, cooldownMs, budgetPer30Days, enabled };
}
