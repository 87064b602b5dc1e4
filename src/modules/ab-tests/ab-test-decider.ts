import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { AbTest } from '../../db/entities/ab-tests/ab-test.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { Role } from '../core/index.js';
import { DEFAULT_GATE_POLICY } from '../model-quality/index.js';
import { decideGate, type GateService } from '../registry/index.js';
import type { KeyMoments, RankSums } from '../statistics/index.js';
import { liveOf } from './live-deployments.js';
import { FIRST_LOOK_MS, type AbTestService } from './ab-test.service.js';
import {
  analyse,
  bestProbabilities,
  type Analysis,
  type Decision,
  type Look,
  type TestData,
} from './rules/analysis.js';
import { nextLook, tellingKeys } from './rules/design.js';
import { dueTests, spentLooks, startedTests } from './stores/ab-tests.js';
import { countKeys, momentsOf, ranksOf } from './stores/key-counts.js';

const TESTS_PER_TICK = 20;
/** Looks come at growing intervals: this share of the time that the test has run, so that a long test keeps few. */
const INTERVAL_SHARE = 0.01;
const HOUR_MS = 3_600_000;

/** Looks at running tests and decides them by their rules. A look and what follows from it are one transaction. */
export class AbTestDecider {
  constructor(
    private readonly db: Database,
    private readonly tests: AbTestService,
    private readonly gates: GateService,
    private readonly logger: Logger,
  ) {}

  /** Makes the looks that are due. Several processes may do this at the same time. */
  async tick(): Promise<void> {
    const due = await this.db.asSystem((em) => dueTests(em, TESTS_PER_TICK));
    for (const { id, tenant, createdBy } of due) {
      const actor: Actor = {
        principal: { subject: createdBy, tenant, role: Role.ENGINEER, expiresAt: new Date(Date.now() + 60_000) },
        requestId: randomUUID(),
        isBackground: true,
      };
      try {
        await this.db.transact(actor, (session) => this.look(session, id));
      } catch (error) {
        // The next tick tries again.
        this.logger.error({ err: error, abTestId: id }, 'no look at an A/B test');
      }
    }
  }

  private async look(session: Session, id: string): Promise<void> {
    // Counting takes the most time. While the test is locked, no process can write what it counted.
    const seen = await this.tests.get(session, id);
    if (seen.status !== 'RUNNING') return;
    const data = await readData(session, seen);
    const { look, spends } = await this.lookNow(session, seen, data);
    const ranks = look.isDecisive ? await readRanks(session, seen) : undefined;
    const test = await this.tests.locked(session, id);
    // Another process was faster.
    if (test.status !== 'RUNNING' || !test.nextLookAt || test.nextLookAt > new Date()) return;
    const moved = await this.movedWeights(session, test);
    if (moved) return this.tests.end(session, test, 'DECIDED', { kind: 'INVALID', variant: null, reason: moved });
    const analysis = {
      ...analyse(test.rules, { ...data, ranks }, look),
      probabilityOfBest: bestProbabilities(test.rules, data),
    };
    const newest = await this.tests.newestLook(session, id);
    const isNew = newest === null || !sameCounts(newest.analysis, analysis);
    if (isNew || analysis.decision || spends)
      await this.tests.keep(session, id, spends ? look.information.at(-1)! : null, analysis);
    if (analysis.decision) await this.decide(session, test, analysis.decision);
    else {
      const ranMs = Date.now() - test.startedAt!.getTime();
      test.nextLookAt = new Date(Date.now() + Math.max(FIRST_LOOK_MS, INTERVAL_SHARE * ranMs));
    }
  }

  /** Whether this look may decide, and spends α. */
  private async lookNow(session: Session, test: AbTest, data: TestData): Promise<{ look: Look; spends: boolean }> {
    const { rules, startedAt, minHours, maxHours } = test;
    const taken = await spentLooks(session, test.id);
    const primary = rules.metrics.findIndex(({ role }) => role === 'PRIMARY');
    const keys = data.moments[primary]!.reduce((sum, own) => sum + tellingKeys(rules.metrics[primary]!, own), 0);
    const reached = keys / rules.plannedKeys;
    const ranHours = (Date.now() - startedAt!.getTime()) / HOUR_MS;
    // A full test gets no new key, so that waiting longer brings nothing.
    const isLast = ((reached >= 1 || this.tests.isFull(test)) && ranHours >= minHours) || ranHours >= maxHours;
    const isDecisive =
      isLast ||
      (ranHours >= minHours &&
        (rules.design === 'CONFIDENCE_SEQUENCE' ||
          (rules.design === 'GROUP_SEQUENTIAL' && reached >= nextLook(rules, taken) - 1e-9)));
    const spends = isDecisive && keys > 0 && reached > (taken.at(-1) ?? 0);
    const information = spends ? [...taken, reached] : taken;
    return { look: { information, isDecisive, isLast }, spends };
  }

  private async decide(session: Session, test: AbTest, decision: Decision): Promise<void> {
    const { rules, whenDecided } = test;
    const control = rules.variants[0]!;
    if (decision.kind === 'HARM') await this.tests.routeTo(session, test, control.name);
    if (decision.kind === 'WINNER' && whenDecided === 'ROUTE_TO_WINNER')
      await this.tests.routeTo(session, test, decision.variant!);
    await this.tests.end(session, test, 'DECIDED', decision);
    if (decision.kind === 'INVALID') return;
    const policy = DEFAULT_GATE_POLICY;
    for (const { name, modelVersionId } of rules.variants.slice(1)) {
      const won = decision.kind === 'WINNER' && decision.variant === name;
      const comparedWithId = control.modelVersionId;
      const attempts = await startedTests(session, modelVersionId, comparedWithId);
      const shown = { test: test.name, won, reason: decision.reason, alpha: rules.alpha, attempts };
      const evidence = { gate: 'AB_TEST', ...shown } as const;
      this.gates.record(session, {
        ...{ modelVersionId, gate: 'AB_TEST', ...decideGate(evidence, policy), policy, comparedWithId },
      });
    }
  }

  /** Why the traffic is not divided as planned any more; null when it is. */
  private async movedWeights(session: Session, { rules, endpointId }: AbTest): Promise<string | null> {
    const live = await liveOf(session, endpointId);
    for (const { name, deploymentId, weightBps } of rules.variants) {
      const found = live.find(({ id }) => id === deploymentId);
      if (!found) return `The deployment of variant "${name}" is not live any more.`;
      if (found.weightBps !== weightBps)
        return `The weight of variant "${name}" is ${found.weightBps} basis points instead of ${weightBps}.`;
    }
    return null;
  }
}

async function readData(session: Session, { id, rules }: AbTest): Promise<TestData> {
  const { byDeployment, mixed } = await countKeys(session, id);
  const moments: KeyMoments[][] = [];
  for (const metric of rules.metrics) {
    const found = await momentsOf(session, id, metric);
    moments.push(rules.variants.map(({ deploymentId }) => found.get(deploymentId) ?? NOTHING));
  }
  return {
    keys: rules.variants.map(({ deploymentId }) => byDeployment.get(deploymentId) ?? 0),
    mixedKeys: mixed,
    moments,
  };
}

/** Only for the metrics that are compared by ranks: the database sorts all keys for them. */
async function readRanks(session: Session, { id, rules }: AbTest): Promise<NonNullable<TestData['ranks']>> {
  const [control, ...others] = rules.variants.map(({ deploymentId }) => deploymentId);
  const all: (RankSums | null)[][] = [];
  for (const metric of rules.metrics) {
    const own: (RankSums | null)[] = [];
    if (metric.test === 'MANN_WHITNEY')
      for (const treatment of others) own.push(await ranksOf(session, id, metric, { control: control!, treatment }));
    all.push(own);
  }
  return all;
}

const NOTHING: KeyMoments = {
  keys: 0,
  measuredKeys: 0,
  means: [0, 0, 0, 0],
  covariances: new Array<number>(16).fill(0),
};

function sameCounts(a: Analysis, b: Analysis): boolean {
  return (
    a.mixedKeys === b.mixedKeys &&
    a.keys.every((n, i) => n === b.keys[i]) &&
    a.metrics.every(({ estimates }, i) => estimates.every(({ mean }, j) => mean === b.metrics[i]!.estimates[j]!.mean))
  );
}
