import { Arg, Ctx, ID, Query, Resolver, Root, Subscription } from 'type-graphql';
import { eventTopic, type EventFilter, type EventRow, abortable } from '../../modules/platform/index.js';
import type { RequestContext } from '../request-context.js';
import { OrderDirection } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { EventFilterInput, EventOrderInput, LifecycleEventConnection, LifecycleEventType } from './event.types.js';
import { SafeInt } from '../types/scalars.js';
import { ArgsWithRanges, ArgumentRange } from '../types/range.js';
import { SEQUENCE } from '../../modules/core/index.js';

@Resolver(() => LifecycleEventType)
export class EventResolver {
  @Query(() => LifecycleEventType, { description: 'One lifecycle event. NOT_FOUND when it does not exist.' })
  event(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the event. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id: string,
  ): Promise<object> {
    return ctx.run((session) => ctx.services.events.get(session, id));
  }

  @Query(() => LifecycleEventConnection, {
    description: 'Lifecycle events of the tenant, newest first by default.',
  })
  async events(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => EventFilterInput, { nullable: true, description: 'Filter for events; all when absent.' })
    filter?: EventFilterInput,
    @Arg('orderBy', () => EventOrderInput, { nullable: true, description: 'Sort order; newest first when absent.' })
    orderBy?: EventOrderInput,
  ): Promise<object> {
    const result = await ctx.run((session) =>
      ctx.services.events.list(
        session,
        filter ?? {},
        page,
        orderBy ?? { field: 'createdAt', direction: OrderDirection.DESC },
      ),
    );
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @ArgumentRange('after', SEQUENCE)
  @Subscription(() => LifecycleEventType, {
    description:
      'Lifecycle events as they happen, each exactly once and in the order of `seq`. Reconnect with ' +
      'the last `seq` as `after`. BAD_USER_INPUT when later events are no longer kept ' +
      '(EVENT_LOG_DAYS).',
    subscribe: ({ args, context }) =>
      followEvents(context as RequestContext, args as { filter?: EventFilter; after?: number }),
  })
  lifecycleEvents(
    @Root() event: LifecycleEventType,
    @Arg('filter', () => EventFilterInput, { nullable: true, description: 'Filter for events; all when absent.' })
    _filter?: EventFilterInput,
    @Arg('after', () => SafeInt, {
      nullable: true,
      description:
        'Sends events with a greater `seq`, past events first; 0 sends all that are kept; only new ' +
        'events when absent.',
    })
    _after?: number,
  ): LifecycleEventType {
    return event;
  }
}

/** Events of the caller's tenant that match the filter, from one log that all its followers share. */
export async function followEvents(
  ctx: RequestContext,
  { filter, after }: { filter?: EventFilter | null; after?: number | null },
): Promise<AsyncIterableIterator<EventRow>> {
  await ctx.run((session) => ctx.services.events.checkFilter(session, filter ?? {}));
  const topic = eventTopic(ctx.principal.tenant);
  return abortable(async function* (signal) {
    const rows = ctx.services.feeds.follow(
      topic,
      topic,
      async (seq, limit) => ({
        rows: await ctx.run((session) => ctx.services.events.after(session, seq, limit)),
        hasEnded: false,
      }),
      after ?? null,
      signal,
    );
    for await (const row of rows) if (matches(row, filter ?? {})) yield row;
  });
}

function matches(row: EventRow, filter: EventFilter): boolean {
  return (
    (!filter.types?.length || filter.types.includes(row.type)) &&
    (filter.modelId == null || filter.modelId === row.modelId) &&
    (filter.endpointId == null || filter.endpointId === row.endpointId) &&
    (filter.subjectId == null || filter.subjectId === row.subjectId)
  );
}
