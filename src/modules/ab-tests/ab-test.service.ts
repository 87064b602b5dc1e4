import { LockMode, type FilterQuery } from '@mikro-orm/core';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { AbTest } from '../../db/entities/ab-tests/ab-test.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { conflict, notFound } from '../../errors.js';
import { checkName, FULL_WEIGHT_BPS } from '../core/index.js';
import { audit, containsText, emitEvent, requireOwn, takeTenantLock } from '../platform/index.js';
import type { DeploymentService } from '../serving/index.js';
import { AB_TEST_EVENTS } from './events.js';
import { AB_TESTS_PLANNED } from './key-counter.js';
import { liveOf } from './live-deployments.js';
import { newRules, type NewTestRules } from './new-test.js';
import { tellingKeys } from './rules/design.js';
import { measuredDeviation, MIN_PAST_KEYS, planTest, type TestPlan } from './rules/plan.js';
import { addLook, changeAbTestStatus, looksAfter, newestLook, type LookRow } from './stores/ab-tests.js';
import { deleteAnswers } from './stores/answers.js';
import { momentsOf, recordedMetrics } from './stores/key-counts.js';
import type { Decision, ShownAnalysis } from './rules/analysis.js';

export interface NewAbTest extends NewTestRules {
  name: string;
  endpointId: string;
  minimumEffect: number;
  power: number;
  standardDeviation?: number | null;
  keysPerDay?: number | null;
  minHours: number;
  maxHours: number;
  whenDecided: AbTest['whenDecided'];
}

export interface AbTestFilter {
  endpointId?: string | null;
  status?: AbTest['status'][] | null;
  search?: string | null;
}

/**
 * Every process knows a test and its weights after this time; only then its predictions count. Without any news, a
 * route is read again after a second at most, and the list of tests after 1.5 seconds; the rest is for clocks that
 * differ. A process that knows it later gives keys of several variants, which are left out and counted.
 */
const SETTLE_MS = 2_000;
export const FIRST_LOOK_MS = 5_000;

export const abTestTopic = (testId: string): string => `ab-test:${testId}`;
const holderOf = (testId: string) => `A/B-test ${testId}` as const;

/** A/B tests as people plan, start and stop them. They are decided by `AbTestDecider`. */
export class AbTestService {
  constructor(
    private readonly live: LiveEvents,
    private readonly deployments: DeploymentService,
    private readonly maxRows: number,
  ) {}

  /** Whether it has as many keys as a test may have: new ones are left out. */
  isFull({ keyRows }: Pick<AbTest, 'keyRows'>): boolean {
    return keyRows >= this.maxRows;
  }

  async get(session: Session, id: string): Promise<AbTest> {
    const test = await session.em.findOne(AbTest, { id, tenant: session.tenant });
    if (!test) throw notFound('A/B test', id);
    return test;
  }

  async list(
    session: Session,
    { endpointId, status, search }: AbTestFilter,
    page: PageRequest,
    order: Order<'createdAt' | 'name'>,
  ): Promise<Page<AbTest>> {
    await requireOwn(session, Endpoint, 'endpoint', [endpointId]);
    const where: FilterQuery<AbTest> = {
      tenant: session.tenant,
      ...(endpointId != null && { endpointId }),
      ...(status?.length && { status: { $in: status } }),
      ...(search && { name: containsText(search) }),
    };
    return paginate(session, AbTest, where, page, order);
  }

  /** From now on, what the keys of the endpoint do is counted as their past. */
  async plan(session: Session, input: NewAbTest): Promise<AbTest> {
    checkName('input.name', input.name);
    const rules = await newRules(session, input);
    await takeTenantLock(session, 'A/B tests');
    const { em, tenant } = session;
    if ((await em.count(AbTest, { tenant, name: input.name })) > 0)
      throw conflict(`An A/B test with the name "${input.name}" exists already: choose another name.`, {
        ...{ field: 'input.name', expected: 'a name that no A/B test has', got: input.name },
      });
    const { endpointId } = input;
    const other = await em.findOne(AbTest, { tenant, endpointId, status: { $in: ['PLANNED', 'RUNNING'] } });
    if (other)
      throw conflict(`The endpoint has the A/B test "${other.name}" already: stop it first (stopAbTest).`, {
        ...{ field: 'input.endpointId', expected: 'an endpoint without an A/B test', got: other.id },
      });
    const { name, minimumEffect, power, minHours, maxHours, whenDecided } = input;
    const test = em.create(AbTest, {
      ...{ tenant, name, endpointId, status: 'PLANNED', rules, minimumEffect, power, minHours, maxHours, whenDecided },
      standardDeviation: input.standardDeviation ?? null,
      keysPerDay: input.keysPerDay ?? null,
      createdBy: session.principal.subject,
    });
    await em.flush();
    session.afterCommit(() => this.live.publish(AB_TESTS_PLANNED));
    audit(session, 'planAbTest', { type: 'abTest', id: test.id }, null, {
      ...{ name, endpointId, minimumEffect, power, design: rules.design, alpha: rules.alpha },
    });
    return test;
  }

  /** From the past of the keys where nothing was given; null while too little is known. */
  async planOf(session: Session, test: AbTest): Promise<TestPlan | null> {
    const primary = test.rules.metrics.find(({ role }) => role === 'PRIMARY')!;
    let { standardDeviation = null, keysPerDay = null } = test;
    // From the start on, what was measured stands in the test: its keys are deleted some time after its end.
    if (test.status === 'PLANNED' && (standardDeviation === null || keysPerDay === null)) {
      const past = (await momentsOf(session, test.id, primary, { past: true })).get('');
      standardDeviation ??= measuredDeviation(primary, past);
      const days = (Date.now() - test.createdAt.getTime()) / 86_400_000;
      if (past && days > 0) keysPerDay ??= tellingKeys(primary, past) / days;
    }
    const { minimumEffect, power } = test;
    return planTest(test.rules, { minimumEffect, power, standardDeviation, keysPerDay });
  }

  /** Sets the weights, and holds them until the test ends. */
  async start(session: Session, id: string, plannedKeys: number | null): Promise<AbTest> {
    const test = await this.locked(session, id);
    if (test.status !== 'PLANNED') await changeAbTestStatus(session, test, 'RUNNING', { nextLookAt: null });
    const recorded = await recordedMetrics(session, id);
    const silent = test.rules.metrics.find(({ source, name }) => source === 'OUTCOME' && !recorded.includes(name));
    if (silent)
      throw conflict(
        `Nothing records the metric "${silent.name}": record an outcome of the endpoint under this name ` +
          '(recordOutcomes) before the test starts.',
        { field: 'input.abTestId', expected: 'metrics that something records', got: silent.name },
      );
    const plan = await this.planOf(session, test);
    plannedKeys ??= plan?.plannedKeys ?? null;
    if (plannedKeys === null)
      throw conflict(
        `The spread of the primary metric is not known: wait until ${MIN_PAST_KEYS} keys were seen, give plannedKeys, ` +
          'or plan the test with standardDeviation.',
        { field: 'input.plannedKeys', expected: 'a number of keys', got: 'none' },
      );
    if (plannedKeys > this.maxRows || this.isFull(test))
      throw conflict(
        this.isFull(test)
          ? `The past of the test has ${test.keyRows} routing keys already, and a test keeps at most ${this.maxRows} ` +
              '(AB_TEST_MAX_ROWS): plan it again, and start it earlier.'
          : `The test needs ${plannedKeys} routing keys, and a test keeps at most ${this.maxRows} ` +
              '(AB_TEST_MAX_ROWS): look for a larger effect, or with a lower power.',
        { field: 'input.plannedKeys', expected: `at most ${this.maxRows} keys`, got: String(plannedKeys) },
      );
    const { endpointId } = test;
    await this.deployments.holdTraffic(session, endpointId, holderOf(id));
    // What is not written yet, setWeights would read over.
    await session.em.flush();
    const weights = new Map(test.rules.variants.map(({ deploymentId, weightBps }) => [deploymentId, weightBps]));
    const live = await liveOf(session, endpointId);
    const gone = test.rules.variants.find(({ deploymentId }) => !live.some((one) => one.id === deploymentId));
    if (gone)
      throw conflict(`The deployment of variant "${gone.name}" is not live any more: plan another test.`, {
        ...{ field: 'input.abTestId', expected: 'live, ready deployments', got: gone.deploymentId },
      });
    await this.deployments.setWeights(
      session,
      {
        endpointId,
        weights: live.map((one) => ({ deploymentId: one.id, weightBps: weights.get(one.id) ?? 0 })),
        rules: [],
      },
      holderOf(id),
    );
    const arms = test.rules.variants.map(({ deploymentId }) => live.find(({ id: own }) => own === deploymentId)!);
    const openedToViewers = await this.deployments.openToViewers(session, arms[0]!, arms.slice(1));
    test.rules = { ...test.rules, plannedKeys, openedToViewers };
    test.standardDeviation ??= plan?.standardDeviation ?? null;
    test.keysPerDay ??= plan?.keysPerDay ?? null;
    await session.em.flush();
    const now = Date.now();
    const startedAt = new Date(Math.ceil((now + SETTLE_MS) / 1_000) * 1_000);
    const nextLookAt = new Date(startedAt.getTime() + FIRST_LOOK_MS);
    await changeAbTestStatus(session, test, 'RUNNING', { startedAt, nextLookAt });
    audit(session, 'startAbTest', { type: 'abTest', id }, { status: 'PLANNED' }, { status: 'RUNNING', plannedKeys });
    const payload = { name: test.name, plannedKeys };
    emitEvent(session, this.live, AB_TEST_EVENTS.AB_TEST_STARTED, { type: 'abTest', id }, payload, { endpointId });
    return test;
  }

  async stop(session: Session, id: string, reason: string): Promise<AbTest> {
    const test = await this.locked(session, id);
    const { status } = test;
    const decision: Decision = { kind: 'STOPPED', variant: null, reason };
    await this.end(session, test, 'STOPPED', decision);
    audit(session, 'stopAbTest', { type: 'abTest', id }, { status }, { status: 'STOPPED', reason });
    return test;
  }

  /** Ends a test; people set the weights again. */
  async end(session: Session, test: AbTest, status: 'DECIDED' | 'STOPPED', decision: Decision): Promise<void> {
    const { id, endpointId, name } = test;
    await changeAbTestStatus(session, test, status, { endedAt: new Date(), nextLookAt: null, decision });
    await deleteAnswers(session, id);
    await this.deployments.closeToViewers(session, endpointId, test.rules.openedToViewers ?? []);
    await this.deployments.releaseTraffic(session, endpointId, holderOf(id));
    const payload = { name, status, decision: decision.kind, variant: decision.variant, reason: decision.reason };
    emitEvent(session, this.live, AB_TEST_EVENTS.AB_TEST_ENDED, { type: 'abTest', id }, payload, { endpointId });
    session.afterCommit(() => this.live.publish(abTestTopic(id)));
  }

  /** Gives all traffic to one variant of a running test. */
  async routeTo(session: Session, test: AbTest, variant: string): Promise<void> {
    const chosen = test.rules.variants.find(({ name }) => name === variant)!.deploymentId;
    const live = await liveOf(session, test.endpointId);
    if (!live.some(({ id }) => id === chosen)) return;
    const weights = live.map(({ id }) => ({ deploymentId: id, weightBps: id === chosen ? FULL_WEIGHT_BPS : 0 }));
    await this.deployments.setWeights(session, { endpointId: test.endpointId, weights }, holderOf(test.id));
  }

  /** The test, locked until the transaction ends; its endpoint is locked first, as in every change of traffic. */
  async locked(session: Session, id: string): Promise<AbTest> {
    const { endpointId } = await this.get(session, id);
    await this.deployments.lockEndpoint(session, endpointId);
    const where = { id, tenant: session.tenant };
    const test = await session.em.findOne(AbTest, where, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
    if (!test) throw notFound('A/B test', id);
    return test;
  }

  newestLook(session: Session, testId: string): Promise<LookRow | null> {
    return newestLook(session, testId);
  }

  async keep(session: Session, testId: string, information: number | null, analysis: ShownAnalysis): Promise<void> {
    const seq = ((await newestLook(session, testId))?.seq ?? 0) + 1;
    await addLook(session, testId, { seq, information, analysis });
    session.afterCommit(() => this.live.publish(abTestTopic(testId)));
  }

  /** Looks after a number, and whether no other follows. */
  async looksAfter(
    session: Session,
    testId: string,
    seq: number,
    limit: number,
  ): Promise<{ rows: LookRow[]; hasEnded: boolean }> {
    // Asked before the rows are read, so that they contain the last one.
    const { status } = await this.get(session, testId);
    const rows = await looksAfter(session, testId, seq, limit);
    return { rows, hasEnded: status === 'DECIDED' || status === 'STOPPED' };
  }
}
