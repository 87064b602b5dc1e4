import type { LiveEvents } from '../../adapters/live-events/port.js';
import { Event } from '../../db/entities/platform/event.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { Database, Session } from '../../db/database.js';
import type { Logger } from 'pino';
import { notFound } from '../../errors.js';
import { noLongerKept, type Sequenced } from './live-feed.js';
import { type ObjectChange, takeChanges, writeChanges } from './object-changes.js';
import { requireOwn } from './ownership.js';
import { EVENTS_WAITING } from './use-case.js';
import { Ticker } from './ticker.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { eventsAfter, forgottenPast, hasUnnumbered, numberEvents } from './stores/events.js';
import type { FilterQuery } from '@mikro-orm/core';

export const eventTopic = (tenant: string) => `events:${tenant}`;

export interface EventFilter {
  types?: string[] | null;
  modelId?: string | null;
  endpointId?: string | null;
  subjectId?: string | null;
}

export interface EventRow extends Sequenced {
  id: string;
  type: string;
  subjectType: string;
  subjectId: string;
  modelId: string | null;
  endpointId: string | null;
  payload: Record<string, unknown>;
  createdAt: Date;
}

/**
 * Gets the content of the outbox, in the transaction that takes it from there, and writes the work that follows from
 * it, so that a crash loses nothing.
 */
export interface OutboxSubscriber {
  /** Called for these events, in their order. Returns the topic to wake, or null when there is no work. */
  onNumbered?(em: EntityManager, eventIds: readonly string[]): Promise<string | null>;
  /** Called for these changed objects, in any order; an object may occur more than once. */
  onChanged?(em: EntityManager, changes: readonly ObjectChange[]): Promise<void>;
}

const POLL_MS = 1_000;
const CHANGES_POLL_MS = 500;
const CHANGES_AT_ONCE = 1_000;
/** The most events that one transaction numbers and makes deliveries for: after a pause there may be very many. */
const NUMBERED_AT_ONCE = 250;

/**
 * The relay of the outbox. It gives events and changes to the subscribers, and gives committed events their sequence
 * numbers, in one transaction at a time: nobody sees a number that is lower than one that was read before.
 */
export class EventService {
  private readonly relay: Ticker;
  private readonly changes: Ticker;
  private readonly subscribers: OutboxSubscriber[] = [];
  private isStopping = false;

  constructor(
    private readonly db: Database,
    private readonly live: LiveEvents,
    logger: Logger,
  ) {
    this.relay = new Ticker({
      name: 'events',
      intervalMs: POLL_MS,
      wakeOn: { live, topic: EVENTS_WAITING },
      logger,
      run: () => this.relayWaiting(),
    });
    this.changes = new Ticker({
      name: 'changes',
      intervalMs: CHANGES_POLL_MS,
      logger,
      run: () => this.relayChanges(),
    });
  }

  /** Call before `start`. With a subscriber of changes, the transactions of this process record what they change. */
  subscribe(subscriber: OutboxSubscriber): void {
    this.subscribers.push(subscriber);
    if (subscriber.onChanged) this.db.setTouchedListener(writeChanges);
  }

  start(): void {
    this.relay.start();
    if (this.subscribers.some(({ onChanged }) => onChanged)) this.changes.start();
  }

  /** Numbers the waiting events once more. If some are left, another process or the next start numbers them. */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.relay.kick();
    await this.relay.idle();
    await this.relay.stop();
    await this.changes.stop();
  }

  /** NOT_FOUND for a filter by an object that the tenant does not have, or that has no events. */
  async checkFilter(session: Session, filter: EventFilter): Promise<void> {
    await requireOwn(session, Model, 'model', [filter.modelId]);
    await requireOwn(session, Endpoint, 'endpoint', [filter.endpointId]);
    const { subjectId } = filter;
    if (
      subjectId != null &&
      !(await session.em.findOne(Event, { tenant: session.tenant, subjectId }, { fields: ['id'] }))
    )
      throw notFound('event about', subjectId);
  }

  async get(session: Session, id: string): Promise<Event> {
    const event = await session.em.findOne(Event, { id, tenant: session.tenant });
    if (!event) throw notFound('event', id);
    return event;
  }

  async list(
    session: Session,
    filter: EventFilter,
    page: PageRequest,
    order: Order<'createdAt'>,
  ): Promise<Page<Event>> {
    await this.checkFilter(session, filter);
    const where: FilterQuery<Event> = { tenant: session.tenant };
    if (filter.types?.length) Object.assign(where, { type: { $in: filter.types } });
    for (const field of ['modelId', 'endpointId', 'subjectId'] as const) {
      if (filter[field] != null) Object.assign(where, { [field]: filter[field] });
    }
    return paginate(session, Event, where, page, order);
  }

  /**
   * Numbered events after `seq`; -1 asks for the newest only, 0 for all that are kept. BAD_USER_INPUT when some of them
   * are no longer kept.
   */
  async after(session: Session, seq: number, limit: number): Promise<EventRow[]> {
    const rows = await eventsAfter(session, seq, limit);
    if (seq > 0) await this.requireKept(session, seq);
    return rows;
  }

  /** Called after the rows were read: throws when some were removed meanwhile. */
  private async requireKept(session: Session, seq: number): Promise<void> {
    const goneSeq = await forgottenPast(session, seq);
    if (goneSeq !== null) throw noLongerKept(seq, goneSeq);
  }

  private async relayWaiting(): Promise<void> {
    const { tenants, wakeUps, hasMore } = await this.number();
    for (const tenant of tenants) this.live.publish(eventTopic(tenant));
    for (const topic of wakeUps) this.live.publish(topic);
    if (hasMore && !this.isStopping) this.relay.kick();
  }

  private async relayChanges(): Promise<void> {
    const taken = await this.db.asSystem(async (em) => {
      const changes = await takeChanges(em, CHANGES_AT_ONCE);
      if (changes.length > 0) for (const subscriber of this.subscribers) await subscriber.onChanged?.(em, changes);
      return changes.length;
    });
    if (taken === CHANGES_AT_ONCE && !this.isStopping) this.changes.kick();
  }

  private async number(): Promise<{ tenants: string[]; wakeUps: string[]; hasMore: boolean }> {
    return this.db.asSystem(async (em) => {
      if (!(await hasUnnumbered(em))) return { tenants: [], wakeUps: [], hasMore: false };
      const rows = await numberEvents(em, NUMBERED_AT_ONCE);
      const ids = rows.map(({ id }) => id);
      const wakeUps: string[] = [];
      for (const subscriber of this.subscribers) {
        const topic = await subscriber.onNumbered?.(em, ids);
        if (topic != null) wakeUps.push(topic);
      }
      return {
        tenants: [...new Set(rows.map((row) => row.tenant))],
        wakeUps,
        hasMore: rows.length === NUMBERED_AT_ONCE,
      };
    });
  }
}
