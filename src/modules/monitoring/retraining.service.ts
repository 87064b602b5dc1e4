import { LockMode } from '@mikro-orm/core';
import type { Logger } from 'pino';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { Alert } from '../../db/entities/alerts/alert.entity.js';
import { RetrainingPolicy } from '../../db/entities/monitoring/retraining-policy.entity.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import type { Database, Session } from '../../db/database.js';
import { audit, emitEvent } from '../platform/index.js';
import { decideRetraining } from './rules/retraining.js';
import type { TrainingConfig } from '../algorithms/index.js';
import { AppError } from '../../errors.js';
import { trainedModelOf, withOpenEnd } from '../training/index.js';
import type { DatasetService } from '../datasets/index.js';
import { monitoringActor } from './monitoring.service.js';
import { MONITORING_EVENTS } from './events.js';
import { alertsToConsider, retrainingsOf } from './stores/retraining.js';

/** Alerts that one tick checks. */
const MAX_CONSIDERED = 1_000;
/** Earlier trainings that a decision considers. */
const MAX_REMEMBERED = 2_000;

/** The part of the training service that retraining needs. */
export interface TrainingStarter {
  start(
    session: Session,
    training: {
      experimentId: string;
      datasetId: string;
      config: TrainingConfig;
      runName?: string | null;
      registerModelId?: string | null;
      alertId?: string | null;
    },
  ): Promise<Job>;
}

/** Trainings that alerts start, as the policy says; at most one per alert. */
export class RetrainingService {
  constructor(
    private readonly db: Database,
    private readonly live: LiveEvents,
    private readonly trainings: TrainingStarter,
    private readonly datasets: DatasetService,
    private readonly logger: Logger,
  ) {}

  /** Checks every open alert of a model with a policy. Several processes may do this at the same time. */
  async tick(): Promise<void> {
    const open = await this.db.asSystem((em) => alertsToConsider(em, MAX_CONSIDERED));
    for (const { tenant, id } of open) {
      try {
        await this.db.transact(monitoringActor(tenant), (session) => this.consider(session, id));
      } catch (error) {
        if (!(error instanceof AppError)) {
          this.logger.error({ err: error, alertId: id }, 'retraining not decided');
          continue;
        }
        // The writes of the attempt were rolled back; this stores the reason.
        await this.db.transact(monitoringActor(tenant), async (session) => {
          const alert = await this.lockOpenAlert(session, id);
          if (alert) this.skip(session, alert, `The training was refused: ${error.message}`);
        });
      }
    }
  }

  /**
   * The decision and its job are one transaction, and one transaction at a time per model. A crash keeps both or
   * neither.
   */
  private async consider(session: Session, alertId: string): Promise<void> {
    const alert = await session.em.findOne(Alert, { id: alertId, tenant: session.tenant });
    if (!alert) return;
    const { modelId } = alert;
    const policy = await session.em.findOne(
      RetrainingPolicy,
      { tenant: session.tenant, modelId },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    const locked = await this.lockOpenAlert(session, alertId);
    if (!policy || !locked) return;
    const history = await this.history(session, modelId);
    const decision = decideRetraining(policy, { alertKind: locked.kind, ...history }, Date.now());
    if (!decision.start) return this.skip(session, locked, decision.reason);
    await this.start(session, locked, policy, decision.reason);
  }

  private async start(session: Session, alert: Alert, policy: RetrainingPolicy, reason: string): Promise<void> {
    const trained = await this.lastTraining(session, alert);
    if (!trained)
      return this.skip(
        session,
        alert,
        'The serving version was not trained here, so that there is no training to repeat.',
      );
    const dataset = await this.datasets.latest(session, policy.datasetName);
    if (!dataset) return this.skip(session, alert, `There is no dataset "${policy.datasetName}".`);
    const job = await this.trainings.start(session, {
      ...trained,
      datasetId: dataset.id,
      runName: `retraining-${alert.kind.toLowerCase()}-${alert.id.slice(-8)}`,
      registerModelId: alert.modelId,
      alertId: alert.id,
    });
    alert.details = { ...alert.details, retraining: { started: true, jobId: job.id, reason } };
    const payload = {
      alertId: alert.id,
      jobId: job.id,
      runId: job.runId,
      datasetId: dataset.id,
      datasetVersion: dataset.version,
      reason,
    };
    emitEvent(
      session,
      this.live,
      MONITORING_EVENTS.RETRAINING_STARTED,
      { type: 'alert', id: alert.id },
      payload,
      alert,
    );
    audit(session, 'retrain', { type: 'model', id: alert.modelId }, null, payload);
  }

  /** Reports each reason once, however often the alert is checked. */
  private skip(session: Session, alert: Alert, reason: string): void {
    const told = alert.details['retraining'] as { reason?: string } | undefined;
    if (told?.reason === reason) return;
    alert.details = { ...alert.details, retraining: { started: false, reason } };
    emitEvent(
      session,
      this.live,
      MONITORING_EVENTS.RETRAINING_SKIPPED,
      { type: 'alert', id: alert.id },
      { alertId: alert.id, reason },
      alert,
    );
  }

  private async lockOpenAlert(session: Session, id: string): Promise<Alert | null> {
    const where = { id, tenant: session.tenant, status: 'OPEN' } as const;
    const alert = await session.em.findOne(Alert, where, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
    return alert && (await session.em.count(Job, { tenant: session.tenant, alertId: id })) === 0 ? alert : null;
  }

  private async history(session: Session, modelId: string): Promise<{ startedAtMs: number[]; running: boolean }> {
    const jobs = await retrainingsOf(session, modelId, MAX_REMEMBERED);
    return {
      startedAtMs: jobs.map((job) => job.createdAt.getTime()),
      running: jobs.some(({ status }) => status === 'QUEUED' || status === 'RUNNING'),
    };
  }

  /** The configuration that made the production version, or, without one, the version of the alert. */
  private async lastTraining(
    session: Session,
    alert: Alert,
  ): Promise<{ experimentId: string; config: TrainingConfig } | null> {
    const { tenant, em } = session;
    const deployment = await em.findOneOrFail(Deployment, { id: alert.deploymentId, tenant });
    const version =
      (await em.findOne(ModelVersion, { tenant, modelId: alert.modelId, stage: 'PRODUCTION' })) ??
      (await em.findOneOrFail(ModelVersion, { id: deployment.modelVersionId, tenant }));
    const training = await trainedModelOf(session, version.runId);
    if (!training || !version.runId) return null;
    const run = await em.findOneOrFail(Run, { id: version.runId, tenant });
    return { experimentId: run.experimentId, config: withOpenEnd(training.config) };
  }
}
