import { AuditLog } from '../../db/entities/platform/audit-log.entity.js';
import { Event } from '../../db/entities/platform/event.entity.js';
import type { Actor, Session } from '../../db/database.js';
import { holdLock } from '../../db/lock.js';
import { auditDifference } from './rules/audit-difference.js';
import type { EventType, PayloadOf } from './rules/events.js';
import type { LiveEvents } from '../../adapters/live-events/port.js';

/** The topic on which every process learns that events wait for their sequence numbers. */
export const EVENTS_WAITING = 'events-waiting';

export interface Subject {
  type: string;
  id: string;
}

export interface EventRefs {
  modelId?: string | null;
  endpointId?: string | null;
}

/**
 * From this call to their end, transactions of a tenant that check for `what` before they create it run one at a time,
 * so that only one creates it.
 */
export async function takeTenantLock(session: Session, what: string): Promise<void> {
  await holdLock(session.em, `${what} of ${session.tenant}`);
}

/**
 * Adds the audit row of a mutation, in its transaction, and tells mirrors of the change. The row has only what differs
 * between `before` and `after`.
 */
export function audit(
  session: Session,
  action: string,
  subject: Subject,
  before: object | null,
  after: object | null,
): void {
  session.touch(subject.type, subject.id);
  session.em.create(AuditLog, auditRow(session, action, subject, before, after));
}

/** The row of `audit`, for a statement that writes it itself. */
export function auditRow(
  { principal, requestId }: Actor,
  action: string,
  subject: Subject,
  before: object | null,
  after: object | null,
) {
  return {
    tenant: principal.tenant,
    actor: principal.subject,
    role: principal.role,
    action,
    subjectType: subject.type,
    subjectId: subject.id,
    ...auditDifference(before, after),
    requestId,
  };
}

/** Writes an event in the transaction that makes it true. After the commit the relay numbers and delivers it. */
export function emitEvent<Type extends EventType>(
  session: Session,
  live: LiveEvents,
  type: Type,
  subject: Subject,
  payload: PayloadOf<Type>,
  refs: EventRefs = {},
): void {
  session.em.create(Event, eventRow(session.tenant, type, subject, payload, refs));
  session.afterCommit(() => live.publish(EVENTS_WAITING));
}

/** The row of `emitEvent` for a transaction without a session. */
export function eventRow<Type extends EventType>(
  tenant: string,
  { name }: Type,
  subject: Subject,
  payload: PayloadOf<Type>,
  { modelId, endpointId }: EventRefs = {},
) {
  return {
    tenant,
    type: name,
    subjectType: subject.type,
    subjectId: subject.id,
    modelId,
    endpointId,
    payload: { ...payload },
  };
}
