import { LockMode, type FilterQuery } from '@mikro-orm/core';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { Alert } from '../../db/entities/alerts/alert.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { advanceAlert, type AlertKind, type Signal } from './rules/alerting.js';
import { type EventType, requireOwn, audit, emitEvent } from '../platform/index.js';
import { resolveAlert } from './store.js';
import { notFound } from '../../errors.js';
import { written } from '../core/index.js';
import { ALERT_EVENTS } from './events.js';

export interface AlertFilter {
  status?: Alert['status'] | null;
  kind?: AlertKind | null;
  modelId?: string | null;
  endpointId?: string | null;
  deploymentId?: string | null;
}

/** The kind of object that an alert is about. */
export interface AlertSubject {
  modelId: string;
  endpointId: string;
  deploymentId: string;
}

export const ALERT_REASON = written(2_000);

/** Alerts. The analysis of a monitoring window opens, updates and resolves them; a person can also resolve one. */
export class AlertService {
  constructor(private readonly live: LiveEvents) {}

  async get(session: Session, id: string): Promise<Alert> {
    const alert = await session.em.findOne(Alert, { id, tenant: session.tenant });
    if (!alert) throw notFound('alert', id);
    return alert;
  }

  async list(
    session: Session,
    filter: AlertFilter,
    page: PageRequest,
    order: Order<'createdAt' | 'updatedAt'>,
  ): Promise<Page<Alert>> {
    await requireOwn(session, Model, 'model', [filter.modelId]);
    await requireOwn(session, Endpoint, 'endpoint', [filter.endpointId]);
    await requireOwn(session, Deployment, 'deployment', [filter.deploymentId]);
    const where: FilterQuery<Alert> = { tenant: session.tenant };
    for (const [field, value] of Object.entries(filter)) if (value != null) Object.assign(where, { [field]: value });
    return paginate(session, Alert, where, page, order);
  }

  /**
   * Applies the result of a window. The caller holds the deployment's monitoring lock. Returns the alert that was
   * opened, updated or resolved.
   */
  async advance(
    session: Session,
    subject: AlertSubject,
    signal: Signal,
    details: Record<string, unknown>,
  ): Promise<Alert | null> {
    const { kind, value, threshold, message } = signal;
    const where = { tenant: session.tenant, deploymentId: subject.deploymentId, kind, status: 'OPEN' } as const;
    // Locked, because a person may resolve the alert at the same time.
    const open = await session.em.findOne(Alert, where, { lockMode: LockMode.PESSIMISTIC_WRITE });
    const step = advanceAlert(open, signal);
    if (step.action === 'NONE') return null;
    if (step.action === 'OPEN') {
      const alert = session.em.create(Alert, { ...where, ...subject, value, threshold, message, details });
      await session.em.flush();
      this.emit(session, ALERT_EVENTS.ALERT_OPENED, alert);
      if (kind === 'DRIFT') {
        const about = { alertId: alert.id, message, ...details };
        emitEvent(
          session,
          this.live,
          ALERT_EVENTS.MODEL_DRIFT_DETECTED,
          { type: 'deployment', id: alert.deploymentId },
          about,
          subject,
        );
      }
      return alert;
    }
    if (!open) throw new Error(`${step.action} without an open alert`);
    open.cleanWindows = step.cleanWindows;
    if (step.action === 'UPDATE') {
      Object.assign(open, { value, threshold, message, details: { ...open.details, ...details } });
      this.emit(session, ALERT_EVENTS.ALERT_UPDATED, open);
    }
    if (step.action === 'RESOLVE')
      await this.end(session, open, {
        by: 'monitoring',
        reason: `${step.cleanWindows} clean windows in a row. ${message}`,
      });
    return open;
  }

  /** Resolves an alert by hand. The next window that breaches a limit opens another. */
  async resolve(session: Session, id: string, reason: string): Promise<Alert> {
    const text = reason.trim();
    const alert = await session.em.findOne(
      Alert,
      { id, tenant: session.tenant },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    if (!alert) throw notFound('alert', id);
    await this.end(session, alert, { by: session.principal.subject, reason: text });
    audit(session, 'resolveAlert', { type: 'alert', id }, { status: 'OPEN' }, { status: 'RESOLVED', reason: text });
    return alert;
  }

  /** Resolves the open alerts of a deployment that has stopped. */
  async resolveStopped(session: Session, deploymentId: string): Promise<void> {
    const where = { tenant: session.tenant, deploymentId, status: 'OPEN' } as const;
    for (const alert of await session.em.find(Alert, where, { lockMode: LockMode.PESSIMISTIC_WRITE })) {
      await this.end(session, alert, { by: 'monitoring', reason: 'The deployment no longer takes live traffic.' });
    }
  }

  private async end(session: Session, alert: Alert, resolution: { by: string; reason: string }): Promise<void> {
    await resolveAlert(session, alert, resolution);
    this.emit(session, ALERT_EVENTS.ALERT_RESOLVED, alert);
  }

  private emit(session: Session, type: EventType, alert: Alert): void {
    const { kind, status, deploymentId, value, threshold, message, details } = alert;
    const payload = { kind, status, deploymentId, value, threshold, message, details };
    emitEvent(session, this.live, type, { type: 'alert', id: alert.id }, payload, alert);
  }
}
