import { Arg, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root, Subscription } from 'type-graphql';
import type { EventRow } from '../../modules/platform/index.js';
import { followEvents } from '../platform/event.resolver.js';
import { ModelType } from '../registry/model.types.js';
import type { RequestContext } from '../request-context.js';
import { DeploymentType } from '../serving/deployment.types.js';
import { EndpointType } from '../serving/endpoint.types.js';
import { OrderDirection } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { SafeInt } from '../types/scalars.js';
import {
  ALERT_CHANGES,
  AlertConnection,
  AlertEvent,
  AlertFilterInput,
  AlertOrderInput,
  AlertPayload,
  AlertType,
  ResolveAlertInput,
} from './alert.types.js';
import { ArgsWithRanges, ArgumentRange } from '../types/range.js';
import { SEQUENCE } from '../../modules/core/index.js';

@Resolver(() => AlertType)
export class AlertResolver {
  @Query(() => AlertType, { description: 'One alert. NOT_FOUND when it does not exist.' })
  alert(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the alert. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id: string,
  ): Promise<AlertType> {
    return ctx.run((session) => ctx.services.alerts.get(session, id));
  }

  @Query(() => AlertConnection, {
    description: 'Alerts of the tenant, the last opened first by default.',
  })
  async alerts(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => AlertFilterInput, { nullable: true, description: 'Filter for alerts; all when absent.' })
    filter?: AlertFilterInput,
    @Arg('orderBy', () => AlertOrderInput, {
      nullable: true,
      description: 'Sort order; the last opened first when absent.',
    })
    orderBy?: AlertOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.alerts.list(session, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Mutation(() => AlertPayload, {
    description: 'Resolves an open alert by hand. The next window that exceeds the limit opens another alert.',
  })
  async resolveAlert(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ResolveAlertInput, { description: 'Alert and reason.' }) input: ResolveAlertInput,
  ): Promise<AlertPayload> {
    return { alert: await ctx.run((session) => ctx.services.alerts.resolve(session, input.alertId, input.reason)) };
  }

  @FieldResolver(() => ModelType, { description: 'Model of the deployed version.' })
  model(@Root() alert: AlertType, @Ctx() ctx: RequestContext): Promise<ModelType | null> {
    return ctx.loaders.model.load(alert.modelId);
  }

  @FieldResolver(() => EndpointType, { description: 'Endpoint of the deployment that caused the alert.' })
  endpoint(@Root() alert: AlertType, @Ctx() ctx: RequestContext): Promise<EndpointType | null> {
    return ctx.loaders.endpoint.load(alert.endpointId);
  }

  @FieldResolver(() => DeploymentType, { description: 'Deployment whose live traffic caused the alert.' })
  deployment(@Root() alert: AlertType, @Ctx() ctx: RequestContext): Promise<DeploymentType | null> {
    return ctx.loaders.deployment.load(alert.deploymentId);
  }

  @ArgumentRange('after', SEQUENCE)
  @Subscription(() => AlertEvent, {
    description:
      'Changes of alerts (opened, updated, resolved), each exactly once and in the order of `seq`. ' +
      'Reconnect with the last `seq` as `after`. BAD_USER_INPUT when later changes are no longer ' +
      'kept (EVENT_LOG_DAYS).',
    subscribe: ({ args, context }) =>
      followAlerts(context as RequestContext, args as { modelId?: string; after?: number }),
  })
  alertEvents(
    @Root() event: EventRow,
    @Arg('modelId', () => ID, {
      nullable: true,
      description: 'Only alerts about this model. NOT_FOUND when it does not exist.',
    })
    _modelId?: string,
    @Arg('after', () => SafeInt, {
      nullable: true,
      description:
        'Sends changes with a greater `seq`, past changes first; 0 sends all that are kept; only new ' +
        'changes when absent.',
    })
    _after?: number,
  ): AlertEvent {
    // The alert service writes the payload with these figures.
    const { kind, value, threshold, message } = event.payload as unknown as Pick<
      AlertEvent,
      'kind' | 'value' | 'threshold' | 'message'
    >;
    const change = ALERT_CHANGES[event.type as keyof typeof ALERT_CHANGES];
    return {
      seq: event.seq,
      change,
      kind,
      value,
      threshold,
      message,
      createdAt: event.createdAt,
      alertId: event.subjectId,
    };
  }
}

@Resolver(() => DeploymentType)
export class DeploymentAlertsResolver {
  @FieldResolver(() => [AlertType], { description: 'Open alerts of the deployment, at most one of each kind.' })
  openAlerts(@Root() deployment: DeploymentType, @Ctx() ctx: RequestContext): Promise<AlertType[]> {
    return ctx.loaders.deploymentAlerts.load(deployment.id);
  }
}

@Resolver(() => AlertEvent)
export class AlertEventResolver {
  /**
   * Without a loader: those of a subscription live as long as the subscription, and would return an old state of the
   * alert.
   */
  @FieldResolver(() => AlertType, {
    description: 'The alert in its current state; it may have changed since this event.',
  })
  alert(@Root() event: AlertEvent, @Ctx() ctx: RequestContext): Promise<AlertType> {
    return ctx.run((session) => ctx.services.alerts.get(session, event.alertId));
  }
}

function followAlerts(
  ctx: RequestContext,
  { modelId, after }: { modelId?: string; after?: number },
): Promise<AsyncIterableIterator<EventRow>> {
  return followEvents(ctx, { filter: { types: Object.keys(ALERT_CHANGES), modelId }, after });
}
