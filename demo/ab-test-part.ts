import {
  AbTestDocument,
  CreateEndpointDocument,
  DeployModelVersionDocument,
  EndpointTrafficDocument,
  FollowAbTestDocument,
  KeyedPredictDocument,
  PlanAbTestDocument,
  RecordOutcomesDocument,
  StartAbTestDocument,
  type FollowAbTestSubscription,
  type RecordOutcomesMutationVariables,
} from '../schema/generated/operations.ts';
import type { Flight } from './flights.ts';
import { Part } from './part.ts';
import { bar, count, duration } from './terminal.ts';
import { interval, pause, round, type Version } from './views.ts';
import { must, type Figures } from './walk.ts';

type Look = FollowAbTestSubscription['abTestLooks'];
type Outcome = RecordOutcomesMutationVariables['input']['outcomes'] extends readonly (infer One)[] ? One : never;

const FLIGHTS_PER_CALLER = 3;
const REQUESTS_AT_ONCE = 8;
/** Callers before the start: enough to measure the spread, from which the test plans its size. */
const PAST_CALLERS = 250;
/** A difference as large as the one that is here is proved much earlier. */
const MAX_CALLERS = 6_000;
const METRIC = 'rightly told';

/** Callers are divided between two versions, say later whether they were told rightly, and the test decides. */
export class AbTestPart extends Part {
  async decide(control: Version, challenger: Version): Promise<Figures> {
    const { api, flights, terminal } = this.options;
    const endpoint = `${this.state.endpointName}-ab-test`;
    const { createEndpoint } = await api.request(CreateEndpointDocument, {
      input: { name: endpoint, modelId: this.state.modelId, slaLatencyP95Ms: 200 },
    });
    const endpointId = createEndpoint.endpoint.id;
    const first = await this.deploy(endpointId, control);
    const second = await this.deploy(endpointId, challenger);
    const names = new Map([
      [first, `version ${control.version}`],
      [second, `version ${challenger.version}`],
    ]);
    const { planAbTest } = await api.request(PlanAbTestDocument, {
      input: {
        name: endpoint,
        endpointId,
        variants: [...names].map(([deploymentId, name]) => ({ name, deploymentId, weightBps: 5_000 })),
        metrics: [
          { name: METRIC, role: 'PRIMARY', source: 'OUTCOME', aggregation: 'MEAN', wanted: 'INCREASE' },
          { name: 'errors', role: 'GUARD', source: 'ERRORS', aggregation: 'MEAN', wanted: 'DECREASE', margin: 0.05 },
        ],
        ...{ design: 'GROUP_SEQUENTIAL', alpha: 0.05, power: 0.8, looks: 5, minimumEffect: 0.03 },
        ...{ correction: 'HOLM', cuped: true, whenDecided: 'ROUTE_TO_WINNER' },
        // A real test runs for whole weeks, because of the days of the week.
        ...{ minHours: 0, maxHours: 1 },
      },
    });
    const abTestId = planAbTest.abTest.id;
    const rows = await flights.labelled('2001-06-01', '2001-06-20', (PAST_CALLERS + MAX_CALLERS) * FLIGHTS_PER_CALLER);
    const callers = Array.from({ length: Math.floor(rows.length / FLIGHTS_PER_CALLER) }, (_, i) => ({
      name: `caller ${i}`,
      flights: rows.slice(i * FLIGHTS_PER_CALLER, (i + 1) * FLIGHTS_PER_CALLER),
    }));
    await this.send({ id: endpointId, name: endpoint }, callers.slice(0, PAST_CALLERS), () => false);
    const planned = await this.plannedKeys(abTestId);
    terminal.note(`${PAST_CALLERS} callers show the spread: the test needs at most ${count(planned)} of them`);
    const { startAbTest } = await api.request(StartAbTestDocument, { input: { abTestId } });
    await pause(Math.max(0, new Date(startAbTest.abTest.startedAt ?? '').getTime() - Date.now()));

    const startedAt = performance.now();
    let last: Look | null = null;
    const ended = () => last?.decision != null;
    const followed = api.follow(FollowAbTestDocument, { abTestId }, (look) => {
      last = look;
      terminal.live(linesOf(look, planned));
      return ended();
    });
    const asked = await this.send({ id: endpointId, name: endpoint }, callers.slice(PAST_CALLERS), ended);
    await followed;
    const look = last as Look | null;
    const decision = look?.decision;
    must(look != null && decision != null, 'the test was not decided');
    const comparison = look.metrics.find(({ metric }) => metric === METRIC)?.comparisons[0];
    must(
      decision.kind === 'WINNER' && decision.variant === names.get(second) && comparison !== undefined,
      `the test ended with ${decision.kind}: ${decision.reason}`,
    );
    terminal.note(decision.reason);
    terminal.note(
      `${METRIC}: ${(comparison.difference * 100).toFixed(1)} points more often ` +
        `(${interval(comparison.low ?? null, comparison.high ?? null)}), decided after ` +
        `${duration(performance.now() - startedAt)} with ${look.keys.map(count).join(' and ')} callers`,
    );
    const { deployments } = (await api.request(EndpointTrafficDocument, { endpointId })).endpoint;
    const weightOfWinner = deployments.find(({ id }) => id === second)?.weightBps ?? 0;
    must(weightOfWinner === 10_000, `the winner has ${weightOfWinner} of 10,000 of the traffic`);
    return {
      callers: asked,
      plannedKeys: planned,
      keys: look.keys.reduce((sum, keys) => sum + keys, 0),
      winner: decision.variant,
      difference: round(comparison.difference),
      low: round(comparison.low ?? NaN),
      high: round(comparison.high ?? NaN),
    };
  }

  private async deploy(endpointId: string, version: Version): Promise<string> {
    const { api } = this.options;
    const { deployModelVersion } = await api.request(DeployModelVersionDocument, {
      ...{ endpointId, modelVersionId: version.id, mode: 'LIVE' },
    });
    const { id } = deployModelVersion.deployment;
    for (let tries = 0; tries < 300; tries++) {
      const { endpoint } = await api.request(EndpointTrafficDocument, { endpointId });
      if (endpoint.deployments.some((one) => one.id === id && one.status === 'READY')) return id;
      await pause(100);
    }
    throw new Error(`version ${version.version} was not ready for its test within 30 s`);
  }

  /** What the test has planned from the past of its keys, which is counted once a second. */
  private async plannedKeys(id: string): Promise<number> {
    for (let tries = 0; tries < 100; tries++) {
      const { plan } = (await this.options.api.request(AbTestDocument, { id })).abTest;
      if (plan) return plan.plannedKeys;
      await pause(100);
    }
    throw new Error('the test has no plan 10 s after its callers came');
  }

  /** Each caller asks about real flights, and says then whether the answers were right. */
  private async send(
    endpoint: { id: string; name: string },
    callers: readonly { name: string; flights: (Flight & { late: boolean })[] }[],
    hasEnded: () => boolean,
  ): Promise<number> {
    const { api } = this.options;
    let asked = 0;
    const work = async (first: number) => {
      let waiting: Outcome[] = [];
      const record = async () => {
        const outcomes = waiting;
        waiting = [];
        if (outcomes.length > 0)
          await api.request(RecordOutcomesDocument, { input: { endpointId: endpoint.id, outcomes } });
      };
      for (let i = first; i < callers.length && !hasEnded(); i += REQUESTS_AT_ONCE) {
        const { name: routingKey, flights } = callers[i]!;
        const { predict } = await api.request(KeyedPredictDocument, {
          endpoint: endpoint.name,
          routingKey,
          rows: flights.map(({ late: _late, ...flight }) => flight),
        });
        asked++;
        const classes = predict.predictions[0]?.probabilityByClass?.map(({ label }) => label) ?? [];
        flights.forEach(({ late }, row) => {
          const right = predict.predictions[row]?.label === classes[late ? 1 : 0];
          waiting.push({ id: `${predict.requestId} ${row}`, routingKey, metric: METRIC, value: right ? 1 : 0 });
        });
        if (waiting.length >= 60) await record();
      }
      if (!hasEnded()) await record();
    };
    await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, (_, first) => work(first)));
    return asked;
  }
}

function linesOf({ keys, metrics }: Look, planned: number): string[] {
  const seen = keys.reduce((sum, n) => sum + n, 0);
  return [
    `${bar(Math.min(1, seen / planned), 20)} ${count(seen)} of at most ${count(planned)} callers`,
    ...metrics.flatMap(({ metric, comparisons }) =>
      comparisons.map(({ difference, low, high }) => {
        const shown = interval(low ?? null, high ?? null);
        return `${metric.padEnd(14)} difference ${difference.toFixed(4)}  ${shown}`;
      }),
    ),
  ];
}
