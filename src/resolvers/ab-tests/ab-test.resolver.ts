import { Arg, Ctx, FieldResolver, Float, ID, Int, Mutation, Query, Resolver, Root, Subscription } from 'type-graphql';
import { abTestTopic, type LookRow } from '../../modules/ab-tests/index.js';
import { SEQUENCE } from '../../modules/core/index.js';
import { abortable } from '../../modules/platform/index.js';
import type { RequestContext } from '../request-context.js';
import { DeploymentType } from '../serving/deployment.types.js';
import { EndpointType } from '../serving/endpoint.types.js';
import { OrderDirection } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { ArgsWithRanges, ArgumentRange } from '../types/range.js';
import { SafeInt } from '../types/scalars.js';
import {
  AbTestConnection,
  AbTestCorrectionEnum,
  AbTestDesignEnum,
  AbTestFilterInput,
  AbTestMetricType,
  AbTestOrderInput,
  AbTestPayload,
  AbTestPlanType,
  AbTestType,
  AbTestVariantType,
  PlanAbTestInput,
  StartAbTestInput,
  StopAbTestInput,
} from './ab-test.types.js';
import { AbTestLookType } from './ab-test-look.types.js';
import { RecordOutcomesInput, RecordOutcomesPayload } from './outcome.types.js';

@Resolver(() => AbTestType)
export class AbTestResolver {
  @Query(() => AbTestType, { description: 'One A/B test. NOT_FOUND when it does not exist.' })
  abTest(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the test. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id: string,
  ): Promise<AbTestType> {
    return ctx.run((session) => ctx.services.abTests.get(session, id));
  }

  @Query(() => AbTestConnection, { description: 'A/B tests of the tenant, newest first by default.' })
  async abTests(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => AbTestFilterInput, { nullable: true, description: 'Filter for tests; all when absent.' })
    filter?: AbTestFilterInput,
    @Arg('orderBy', () => AbTestOrderInput, { nullable: true, description: 'Sort order; newest first when absent.' })
    orderBy?: AbTestOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.abTests.list(session, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Mutation(() => AbTestPayload, {
    description:
      'Plans an A/B test: from now on, what the routing keys of the endpoint do is counted as their past, and `plan` ' +
      'says how many keys and days the test will need. CONFLICT when the endpoint has a test that is not over, when a ' +
      'variant is not live or has another signature.',
  })
  async planAbTest(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => PlanAbTestInput, { description: 'Variants, metrics and design.' }) input: PlanAbTestInput,
  ): Promise<AbTestPayload> {
    return { abTest: await ctx.run((session) => ctx.services.abTests.plan(session, input)) };
  }

  @Mutation(() => AbTestPayload, {
    description:
      'Starts a planned A/B test: sets the weights of its variants, those of other deployments to 0, removes rules of ' +
      'the traffic policy, and holds them until the end: setTrafficWeights gives CONFLICT. CONFLICT when nothing has ' +
      'recorded an outcome metric yet, or when it needs more keys than the service keeps.',
  })
  async startAbTest(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => StartAbTestInput, { description: 'The planned comparison, and its size.' })
    input: StartAbTestInput,
  ): Promise<AbTestPayload> {
    const { abTestId, plannedKeys = null } = input;
    return { abTest: await ctx.run((session) => ctx.services.abTests.start(session, abTestId, plannedKeys)) };
  }

  @Mutation(() => AbTestPayload, {
    description: 'Ends an A/B test without a decision; the weights stay, and people may change them again.',
  })
  async stopAbTest(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => StopAbTestInput, { description: 'The test and the reason.' }) input: StopAbTestInput,
  ): Promise<AbTestPayload> {
    return { abTest: await ctx.run((session) => ctx.services.abTests.stop(session, input.abTestId, input.reason)) };
  }

  @Mutation(() => RecordOutcomesPayload, {
    description:
      'Records what became of routing keys, e.g. purchases or clicks, for the planned or running A/B test of the ' +
      'endpoint. Outcomes of keys that the test has not seen do not count. RESOURCE_EXHAUSTED when the test has as many ' +
      'rows of outcomes as the service keeps.',
  })
  recordOutcomes(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RecordOutcomesInput, { description: 'Endpoint and outcomes.' }) input: RecordOutcomesInput,
  ): Promise<RecordOutcomesPayload> {
    return ctx.run((session) => ctx.services.outcomes.record(session, input));
  }

  @ArgumentRange('after', SEQUENCE)
  @Subscription(() => AbTestLookType, {
    description:
      'Looks at an A/B test as they come, each once and in the order of `seq`: keys, estimates with intervals, and the ' +
      'decision. Completes when the test is over. Reconnect with the last `seq` as `after`.',
    subscribe: ({ args, context }) =>
      followLooks(context as RequestContext, args as { abTestId: string; after?: number }),
  })
  abTestLooks(
    @Root() look: LookRow,
    @Arg('abTestId', () => ID, { description: 'The test. NOT_FOUND when it does not exist.' }) _abTestId: string,
    @Arg('after', () => SafeInt, {
      nullable: true,
      description: 'Sends looks with a greater `seq`, past ones first; all that there are when absent or 0.',
    })
    _after?: number,
  ): AbTestLookType {
    return lookOf(look);
  }

  @FieldResolver(() => AbTestDesignEnum, { description: 'When it may be decided.' })
  design(@Root() { rules }: AbTestType): keyof typeof AbTestDesignEnum {
    return rules.design;
  }

  @FieldResolver(() => Float, { description: 'Highest probability of a false winner, above 0 and below 0.5.' })
  alpha(@Root() { rules }: AbTestType): number {
    return rules.alpha;
  }

  @FieldResolver(() => Int, { description: 'Equally spaced looks of a group sequential test.' })
  looks(@Root() { rules }: AbTestType): number {
    return rules.looks;
  }

  @FieldResolver(() => AbTestCorrectionEnum, { description: 'How several comparisons are corrected.' })
  correction(@Root() { rules }: AbTestType): keyof typeof AbTestCorrectionEnum {
    return rules.correction;
  }

  @FieldResolver(() => Boolean, { description: 'Whether values are corrected by the past of their keys (CUPED).' })
  cuped(@Root() { rules }: AbTestType): boolean {
    return rules.cuped;
  }

  @FieldResolver(() => SafeInt, {
    nullable: true,
    description: 'Routing keys at which it ends; null before the start.',
  })
  plannedKeys(@Root() { rules, startedAt }: AbTestType): number | null {
    return startedAt ? rules.plannedKeys : null;
  }

  @FieldResolver(() => Boolean, {
    description:
      'Whether it has as many routing keys as the service keeps (AB_TEST_MAX_ROWS): new ones are left out, and it takes ' +
      'its last look when `minHours` are over.',
  })
  isFull(@Root() test: AbTestType, @Ctx() ctx: RequestContext): boolean {
    return ctx.services.abTests.isFull(test);
  }

  @FieldResolver(() => [AbTestVariantType], { description: 'The variants, the control first.' })
  variants(@Root() { rules }: AbTestType): AbTestVariantType[] {
    return [...rules.variants];
  }

  @FieldResolver(() => [AbTestMetricType], { description: 'The metrics, in the order in which they were given.' })
  metrics(@Root() { rules }: AbTestType): AbTestMetricType[] {
    return rules.metrics.map((metric) => ({ ...metric, test: metric.test ?? 'MEANS' }));
  }

  @FieldResolver(() => EndpointType, { description: 'Endpoint whose traffic is divided.' })
  endpoint(@Root() { endpointId }: AbTestType, @Ctx() ctx: RequestContext): Promise<EndpointType | null> {
    return ctx.loaders.endpoint.load(endpointId);
  }

  @FieldResolver(() => AbTestPlanType, {
    nullable: true,
    description: 'Power and duration; null while fewer than 100 keys were seen and no standard deviation is given.',
  })
  plan(@Root() { id }: AbTestType, @Ctx() ctx: RequestContext): Promise<AbTestPlanType | null> {
    return ctx.run(async (session) => {
      const { abTests } = ctx.services;
      return abTests.planOf(session, await abTests.get(session, id));
    });
  }

  @FieldResolver(() => AbTestLookType, {
    nullable: true,
    description: 'What is known now; null before the first look.',
  })
  async newestLook(@Root() { id }: AbTestType, @Ctx() ctx: RequestContext): Promise<AbTestLookType | null> {
    const look = await ctx.run((session) => ctx.services.abTests.newestLook(session, id));
    return look && lookOf(look);
  }
}

@Resolver(() => AbTestVariantType)
export class AbTestVariantResolver {
  @FieldResolver(() => DeploymentType, { nullable: true, description: 'The deployment; null when it was deleted.' })
  deployment(@Root() { deploymentId }: AbTestVariantType, @Ctx() ctx: RequestContext): Promise<DeploymentType | null> {
    return ctx.loaders.deployment.load(deploymentId);
  }
}

function lookOf({ seq, createdAt, information, analysis }: LookRow): AbTestLookType {
  return { seq, createdAt, information, ...analysis };
}

async function followLooks(
  ctx: RequestContext,
  { abTestId, after }: { abTestId: string; after?: number },
): Promise<AsyncIterableIterator<LookRow>> {
  const { feeds, abTests } = ctx.services;
  await ctx.run((session) => abTests.get(session, abTestId));
  const topic = abTestTopic(abTestId);
  const read = (seq: number, limit: number) => ctx.run((session) => abTests.looksAfter(session, abTestId, seq, limit));
  const key = `${ctx.principal.tenant}/${topic}`;
  return abortable((signal) => feeds.follow(key, topic, read, after ?? 0, signal));
}
