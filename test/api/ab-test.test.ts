import { AbTestOutcome } from '../../src/db/entities/ab-tests/ab-test-counts.entity.js';
import { Role } from '../../src/modules/core/rules/principal.js';
import { chiSquareContingency, winsorLimits } from '../../src/modules/statistics/index.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linear } from '../fixtures/models/build.js';
import {
  AbTestDocument,
  type AbTestMetricInput,
  FollowAbTestDocument,
  type FollowAbTestSubscription,
  PlanAbTestDocument,
  type PlanAbTestInput,
  RecordOutcomesDocument,
  StartAbTestDocument,
} from '../../schema/generated/operations.js';
import {
  AbTestGateDocument,
  RecordGroundTruthDetailsDocument,
  UpdateEndpointDetailsDocument,
  AbTestsDetailsDocument,
  RoutePreviewDetailsDocument,
  SetTrafficWeightsDetailsDocument,
  StopAbTestDetailsDocument,
} from '../generated/operations.js';
import { RawSocket } from '../support/raw-socket.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { type Answer, deploy, makeVersion, predict, serve, x, xToY } from '../support/serving.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService({ INFERENCE_HOSTS: '1' });
  tess = await service.as();
});
afterAll(() => service?.close());

interface Pair {
  endpointId: string;
  control: string;
  treatment: string;
  treatmentVersion: string;
}

/** An endpoint with y = x, and y = x + shift beside it. */
async function twoVersions(shift: number, outputs?: { signature: ReturnType<typeof xToY> }): Promise<Pair> {
  const first = await serve(service, tess, { bytes: linear([1], 0), signature: xToY(1), stage: 'PRODUCTION' });
  const { modelId, endpointId, deploymentId: control } = first;
  const signature = outputs?.signature ?? xToY(1);
  const second = await makeVersion(service, { bytes: linear([1], shift), signature, modelId });
  const treatment = await deploy(tess, { endpointId, modelVersionId: second.versionId, weightBps: 0 });
  return { endpointId, control, treatment, treatmentVersion: second.versionId };
}

const OUTPUT: AbTestMetricInput = {
  name: 'answer',
  role: 'PRIMARY',
  source: 'OUTPUT',
  aggregation: 'MEAN',
  wanted: 'INCREASE',
  test: 'MEANS',
};
let named = 0;

const inputOf = ({ endpointId, control, treatment }: Pair, more: Partial<PlanAbTestInput> = {}): PlanAbTestInput => ({
  name: `test ${++named}`,
  endpointId,
  variants: [
    { name: 'old', deploymentId: control, weightBps: 5_000 },
    { name: 'new', deploymentId: treatment, weightBps: 5_000 },
  ],
  metrics: [OUTPUT],
  minimumEffect: 1,
  minHours: 0,
  looks: 5,
  alpha: 0.05,
  power: 0.8,
  ...{ design: 'GROUP_SEQUENTIAL', correction: 'HOLM', cuped: true, maxHours: 672, whenDecided: 'KEEP_WEIGHTS' },
  ...more,
});

/** Each key asks twice; its level stays from round to round, and the rest does not. */
async function ask(endpointId: string, keys: number, round: number): Promise<void> {
  const levels = Array.from({ length: keys }, (_, i) => ({
    key: `k${i}`,
    level: ((i * 37) % 11) + ((i * i * round) % 7) / 3,
  }));
  for (let at = 0; at < levels.length; at += 20) {
    await Promise.all(
      levels
        .slice(at, at + 20)
        .flatMap(({ key, level }) =>
          [0, 1].map((more) => predict(tess, { endpointId, routingKey: key, tensors: [x([level + more])] })),
        ),
    );
  }
  await service.app.context.services.keyCounter.flush();
}

async function plan(input: PlanAbTestInput): Promise<string> {
  return (await tess.ok(PlanAbTestDocument, { input })).planAbTest.abTest.id;
}

async function start(abTestId: string, plannedKeys?: number): Promise<void> {
  const { startAbTest } = await tess.ok(StartAbTestDocument, { input: { abTestId, plannedKeys } });
  expect(startAbTest.abTest.status).toBe('RUNNING');
  const startsIn = new Date(startAbTest.abTest.startedAt!).getTime() - Date.now();
  await new Promise((resolve) => setTimeout(resolve, startsIn + 50));
}

const show = async (id: string) => (await tess.ok(AbTestDocument, { id })).abTest;

async function decided(id: string) {
  await expect.poll(async () => (await show(id)).status, { timeout: 40_000, interval: 250 }).toBe('DECIDED');
  return show(id);
}

describe('an A/B test', () => {
  it('counts every key, uses its past, finds the winner, and passes the gate', { timeout: 90_000 }, async () => {
    const pair = await twoVersions(2);
    const { endpointId } = pair;
    const id = await plan(inputOf(pair));
    expect((await show(id)).plan).toBeNull();
    // Until the process knows that the endpoint has a test.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await ask(endpointId, 300, 1);
    const { plan: measured } = await show(id);
    // Levels 0 to 10, equally frequent, have a spread of 3.16, and the rest of 0.6.
    expect(Math.abs(measured!.standardDeviation - 3.2)).toBeLessThan(0.2);
    expect(measured!.plannedKeys).toBeGreaterThan(300);

    const socket = await RawSocket.open(tess);
    const looks: FollowAbTestSubscription['abTestLooks'][] = [];
    const ended = Promise.withResolvers<void>();
    socket.subscribe(FollowAbTestDocument, { abTestId: id }, ({ type, payload }) => {
      if (type === 'next') looks.push(payload.data!.abTestLooks);
      else ended.resolve();
    });
    await start(id, 290);
    const change = {
      endpointId,
      weights: [pair.control, pair.treatment].map((one, i) => ({ deploymentId: one, weightBps: i * 10_000 })),
    };
    const refused = await tess.fails(SetTrafficWeightsDetailsDocument, { input: change });
    expect(refused).toMatchObject({ extensions: { code: 'CONFLICT' } });
    expect(refused.message).toContain(`A/B-test ${id}`);

    // Viewers could call the version in PRODUCTION, so they may call what is tested beside it.
    const viewer = await service.as({ role: Role.VIEWER });
    const drawn: Answer[] = [];
    for (let n = 0; n < 10; n++)
      drawn.push(await predict(viewer, { endpointId, routingKey: `k${n}`, tensors: [x([5])] }));
    // Who names the version draws no variant, so these keys are not counted.
    const { services } = service.app.context;
    const engineer = { subject: 'tess', tenant: 'acme', role: Role.ENGINEER, expiresAt: new Date(Date.now() + 60_000) };
    const { version } = drawn.find(({ deployment }) => deployment.id === pair.treatment)!.modelVersion;
    for (let n = 0; n < 20; n++) {
      const input = { endpointId, version, rows: [{ x: 1 }], routingKey: `named ${n}` };
      expect((await services.predictions.predict(engineer, input, `named ${n}`)).target.id).toBe(pair.treatment);
    }

    await ask(endpointId, 300, 2);
    const test = await decided(id);
    await ended.promise;
    expect(test.decision).toMatchObject({ kind: 'WINNER', variant: 'new' });
    const look = test.newestLook!;
    const [old, candidate] = look.keys;
    expect(old! + candidate!).toBe(300);
    expect(look.mixedKeys).toBe(0);
    const [comparison] = look.metrics[0]!.comparisons;
    // The shift is 2. An interval of 95 % misses it in one of twenty runs, as deployment ids divide the keys by chance.
    expect(Math.abs(comparison!.difference - 2)).toBeLessThan(0.4);
    expect(comparison!.low!).toBeLessThan(comparison!.difference);
    expect(comparison!.high!).toBeGreaterThan(comparison!.difference);
    // The level of a key is the same before and after the start: its past explains most of it.
    expect(comparison!.varianceReduction).toBeGreaterThan(0.9);
    expect(look.probabilityOfBest![1]).toBeGreaterThan(0.99);
    expect(looks.at(-1)!.decision).toEqual(test.decision);
    expect(looks.map(({ seq }) => seq)).toEqual(looks.map((_, i) => i + 1));
    const { modelVersion } = await tess.ok(AbTestGateDocument, { id: pair.treatmentVersion });
    expect(modelVersion.gates).toMatchObject([
      { gate: 'AB_TEST', passed: true, checks: [{ name: 'winner' }, { name: 'alpha' }] },
    ]);
    // People set the weights again.
    await tess.ok(SetTrafficWeightsDetailsDocument, { input: change });
    const listed = await tess.ok(AbTestsDetailsDocument, { first: 5, filter: { endpointId, status: ['DECIDED'] } });
    expect(listed.abTests).toMatchObject({
      totalCount: 1,
      nodes: [{ id, variants: [{ name: 'old' }, { name: 'new' }] }],
    });

    // Another test of the same versions is another chance to win by luck: it must be stricter.
    const again = await plan(inputOf(pair));
    await start(again, 190);
    await ask(endpointId, 200, 3);
    expect((await decided(again)).decision).toMatchObject({ kind: 'WINNER', variant: 'new' });
    const { modelVersion: twice } = await tess.ok(AbTestGateDocument, { id: pair.treatmentVersion });
    const second = twice.gates.find(({ gate }) => gate === 'AB_TEST');
    expect(second).toMatchObject({ passed: false, checks: [{ name: 'winner' }, { name: 'alpha' }] });
  });

  it(
    'ends by harm of a guard that clients record, and gives the control all traffic',
    { timeout: 90_000 },
    async () => {
      const pair = await twoVersions(0);
      const { endpointId, control } = pair;
      const complaints: AbTestMetricInput = {
        name: 'complaints',
        role: 'GUARD',
        source: 'OUTCOME',
        aggregation: 'ANY',
        wanted: 'DECREASE',
        test: 'MEANS',
      };
      const id = await plan(inputOf(pair, { metrics: [OUTPUT, complaints], cuped: false }));
      const silent = await tess.fails(StartAbTestDocument, { input: { abTestId: id, plannedKeys: 10_000 } });
      expect(silent.message).toContain('Nothing records the metric "complaints"');
      const outcome = (routingKey: string, value: number, metric = 'complaints') => ({ routingKey, metric, value });
      const first = await tess.ok(RecordOutcomesDocument, {
        input: { endpointId, outcomes: [outcome('k1', 0), outcome('k2', 1, 'clicks')] },
      });
      expect(first.recordOutcomes).toEqual({ recorded: 1, unused: 1, repeated: 0 });
      await start(id, 10_000);
      const served = new Map<string, string>();
      for (let i = 0; i < 200; i++) {
        const answer = await predict(tess, { endpointId, routingKey: `g${i}`, tensors: [x([i % 7])] });
        served.set(`g${i}`, answer.deployment.id);
      }
      await service.app.context.services.keyCounter.flush();
      const unhappy = [...served].filter(([, deploymentId], i) =>
        deploymentId === control ? i % 20 === 0 : i % 2 === 0,
      );
      await tess.ok(RecordOutcomesDocument, {
        input: { endpointId, outcomes: unhappy.map(([key]) => outcome(key, 1)) },
      });
      const test = await decided(id);
      expect(test.decision).toMatchObject({ kind: 'HARM', variant: 'new' });
      expect(test.decision!.reason).toContain('"complaints"');
      const after = await predict(tess, { endpointId, routingKey: 'later', tensors: [x([1])] });
      expect(after.deployment.id).toBe(control);
    },
  );

  it('stops when the keys are not divided as planned', { timeout: 90_000 }, async () => {
    const pair = await twoVersions(1);
    const id = await plan(inputOf(pair, { design: 'CONFIDENCE_SEQUENCE' }));
    await start(id, 100_000);
    // As when most clients of the new version lose its answers.
    const wanted = { [pair.control]: 60, [pair.treatment]: 5 };
    for (let i = 0; Object.values(wanted).some((left) => left > 0); i++) {
      const routingKey = `s${i}`;
      const { routePreview } = await tess.ok(RoutePreviewDetailsDocument, { endpointId: pair.endpointId, routingKey });
      if (wanted[routePreview.deployment!.id]!-- > 0)
        await predict(tess, { endpointId: pair.endpointId, routingKey, tensors: [x([i % 5])] });
    }
    const test = await decided(id);
    expect(test.decision!.kind).toBe('INVALID');
    expect(test.decision!.reason).toContain('Sample-ratio mismatch: 60 and 5 keys');
  });

  it('counts an outcome with an id once, however often it comes', async () => {
    const pair = await twoVersions(0);
    const { endpointId } = pair;
    const id = await plan(
      inputOf(pair, { metrics: [{ ...OUTPUT, name: 'revenue', source: 'OUTCOME', aggregation: 'SUM' }] }),
    );
    const order = (n: number, value = n) => ({ id: `order ${n}`, routingKey: `k${n}`, metric: 'revenue', value });
    const record = async (outcomes: (Omit<ReturnType<typeof order>, 'id'> & { id?: string })[]) =>
      (await tess.ok(RecordOutcomesDocument, { input: { endpointId, outcomes } })).recordOutcomes;
    const total = () =>
      service.app.context.db.asSystem(async (em) => {
        const rows = await em.find(AbTestOutcome, { testId: id });
        return rows.reduce((sum, { pastTotal, total: now }) => sum + pastTotal + now, 0);
      });
    expect(await record([order(1), order(2), order(2)])).toEqual({ recorded: 2, unused: 0, repeated: 1 });
    const same = await Promise.all([record([order(3), order(1)]), record([order(1), order(3)])]);
    expect(same.map(({ recorded }) => recorded).toSorted()).toEqual([0, 1]);
    expect(await total()).toBe(6);
    // One changed outcome refuses the whole call.
    for (const [outcomes, field] of [
      [[order(4), order(2, 5)], 'input.outcomes[1].id'],
      [[order(5), order(5, 6)], 'input.outcomes[1].id'],
    ] as const) {
      const input = { endpointId, outcomes: [...outcomes] };
      expect((await tess.fails(RecordOutcomesDocument, { input })).extensions).toMatchObject({
        code: 'CONFLICT',
        field,
      });
    }
    expect(await record([order(4), order(5)])).toMatchObject({ recorded: 2 });
    const nameless = { routingKey: 'k1', metric: 'revenue', value: 1 };
    expect(await record([nameless, nameless])).toEqual({ recorded: 2, unused: 0, repeated: 0 });
    expect(await total()).toBe(17);
  });

  it('compares ranks, counts and winsorised values, once', { timeout: 90_000 }, async () => {
    const pair = await twoVersions(0);
    const { endpointId, control } = pair;
    const outcome = { source: 'OUTCOME', aggregation: 'SUM', wanted: 'INCREASE', test: 'MEANS' } as const;
    const metrics: AbTestMetricInput[] = [
      { ...outcome, name: 'spent', role: 'PRIMARY', test: 'MANN_WHITNEY' },
      { ...outcome, name: 'capped', role: 'SECONDARY', winsorPercentile: 90 },
      { ...outcome, name: 'bought', role: 'SECONDARY', aggregation: 'ANY', test: 'CHI_SQUARE' },
    ];
    const id = await plan(inputOf(pair, { metrics, design: 'FIXED' }));
    const record = (outcomes: { routingKey: string; metric: string; value: number }[]) =>
      tess.ok(RecordOutcomesDocument, { input: { endpointId, outcomes } });
    await record(metrics.map(({ name }) => ({ routingKey: 'before', metric: name, value: 1 })));
    await start(id, 160);
    const arms: [number[], number[]] = [[], []];
    const visit = async (i: number) => {
      const { deployment } = await predict(tess, { endpointId, routingKey: `v${i}`, tensors: [x([i])] });
      const arm = deployment.id === control ? 0 : 1;
      // Many ties, a few that spend very much, and more in the new variant.
      const value = i % 40 === 0 ? 1_000 * (i + 1) : ((i * 7) % 5) + 2 * arm;
      arms[arm].push(value);
      return metrics.map(({ name }) => ({ routingKey: `v${i}`, metric: name, value }));
    };
    for (let i = 0; i < 150; i++) await record(await visit(i));
    await service.app.context.services.keyCounter.flush();
    // 150 of 160 keys: nothing is shown by which anyone could decide.
    await expect
      .poll(async () => (await show(id)).newestLook?.keys.reduce((a, b) => a + b), { timeout: 20_000 })
      .toBe(150);
    const early = await show(id);
    for (const { comparisons, overall } of early.newestLook!.metrics) {
      expect(overall).toBeNull();
      expect(comparisons[0]).toMatchObject({ low: null, high: null, pValue: null, significant: false });
    }
    for (let i = 150; i < 170; i++) await record(await visit(i));
    const test = await decided(id);
    expect(test.decision).toMatchObject({ kind: 'WINNER', variant: 'new' });
    const [spent, capped, bought] = test.newestLook!.metrics;
    const [old, own] = arms;
    const delta = old.flatMap((a) => own.map((b) => Math.sign(b - a))).reduce((sum, sign) => sum + sign, 0);
    expect(spent!.comparisons[0]!.difference).toBeCloseTo(delta / (old.length * own.length), 9);
    expect(spent!.comparisons[0]!.low!).toBeGreaterThan(0);
    const limits = winsorLimits(
      arms.map((values) => Float64Array.from(values)),
      0.1,
    );
    capped!.estimates.forEach(({ mean }, arm) => {
      const cut = arms[arm]!.map((value) => Math.min(limits.high, Math.max(limits.low, value)));
      expect(mean).toBeCloseTo(cut.reduce((sum, value) => sum + value, 0) / cut.length, 9);
    });
    const counts = arms.map((values) => [
      values.filter((value) => value > 0).length,
      values.filter((v) => v === 0).length,
    ]);
    const { statistic, dof, pValue } = chiSquareContingency(counts);
    expect(bought!.overall).toMatchObject({ degreesOfFreedom: dof });
    expect(bought!.overall!.statistic).toBeCloseTo(statistic, 9);
    expect(bought!.comparisons[0]!.pValue).toBeCloseTo(pValue, 9);
  });

  it('judges every answer by ground truth, late, revised and never logged', { timeout: 90_000 }, async () => {
    const pair = await twoVersions(0.5);
    const { endpointId, control } = pair;
    // Nothing of this endpoint is logged.
    await tess.ok(UpdateEndpointDetailsDocument, { input: { id: endpointId, logSampleRate: 0 } });
    const wrong: AbTestMetricInput = { ...OUTPUT, name: 'error', source: 'GROUND_TRUTH', wanted: 'DECREASE' };
    const id = await plan(inputOf(pair, { metrics: [wrong], design: 'FIXED', cuped: false }));
    await start(id, 99);
    const asked: { requestId: string; level: number; arm: 0 | 1 }[] = [];
    for (let i = 0; i < 99; i++) {
      const level = (i % 7) / 3;
      for (const requestId of [`t${i}a`, `t${i}b`]) {
        const { deployment } = await predict(tess, {
          endpointId,
          requestId,
          routingKey: `t${i}`,
          tensors: [x([level])],
        });
        asked.push({ requestId, level, arm: deployment.id === control ? 0 : 1 });
      }
    }
    const tell = async (records: { requestId: string; value: number }[]) =>
      (await tess.ok(RecordGroundTruthDetailsDocument, { input: { endpointId, records } })).recordGroundTruth;
    // The truth is y = x, with some noise; every other one is first told wrongly, and revised later.
    const noise = (n: number) => ((n * 5) % 9) / 20;
    const truths = asked.map(({ requestId, level }, n) => ({ requestId, value: Math.fround(level) + noise(n) }));
    // Wrong ones of the first keys, which are revised, then those of the others: the test waits for 99 keys with one.
    const early = truths.slice(0, 100);
    expect(await tell(early.map((one) => ({ ...one, value: 100 })))).toMatchObject({ added: 100, rejected: [] });
    expect(await tell(early)).toMatchObject({ added: 0, replaced: 100 });
    expect(await tell(early.slice(0, 3))).toMatchObject({ added: 0, replaced: 0, unchanged: 3 });
    await expect
      .poll(async () => (await show(id)).newestLook?.keys.reduce((a, b) => a + b), { timeout: 20_000 })
      .toBe(99);
    expect(await show(id)).toMatchObject({ status: 'RUNNING' });
    expect(await tell(truths.slice(100))).toMatchObject({ added: 98, rejected: [] });
    const test = await decided(id);
    const means = [0, 1].map((of) => {
      const errors = asked.flatMap(({ arm }, n) => (arm === of ? [(of * 0.5 - noise(n)) ** 2] : []));
      return errors.reduce((sum, error) => sum + error, 0) / errors.length;
    });
    const [metric] = test.newestLook!.metrics;
    metric!.estimates.forEach(({ mean }, arm) => expect(mean).toBeCloseTo(means[arm]!, 5));
    // The test is over: nothing keeps the answers any more.
    const [first] = truths;
    const late = { endpointId, records: [{ ...first!, value: 7 }] };
    expect((await tess.fails(RecordGroundTruthDetailsDocument, { input: late })).extensions.code).toBe('NOT_FOUND');
  });

  it('shows in the metrics of the process what it could not count', async () => {
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(metrics).toContain('matih_dropped{what="ab_test_key"} 0');
  });

  it('is stopped by a person, with a reason', async () => {
    const id = await plan(inputOf(await twoVersions(0)));
    const { stopAbTest } = await tess.ok(StopAbTestDetailsDocument, { input: { abTestId: id, reason: 'not needed' } });
    expect(stopAbTest.abTest).toMatchObject({ status: 'STOPPED', decision: { kind: 'STOPPED', reason: 'not needed' } });
    const again = await tess.fails(StopAbTestDetailsDocument, { input: { abTestId: id, reason: 'not needed' } });
    expect(again.extensions.code).toBe('CONFLICT');
    expect((await tess.fails(StartAbTestDocument, { input: { abTestId: id } })).extensions.code).toBe('CONFLICT');
  });

  it('is refused with one clear error', async () => {
    const pair = await twoVersions(0);
    const [old, other] = inputOf(pair).variants as [PlanAbTestInput['variants'][0], PlanAbTestInput['variants'][0]];
    const refusals: [Partial<PlanAbTestInput>, string, RegExp][] = [
      [{ variants: [old] }, 'input.variants', /2 to 10 variants/],
      [{ variants: [old, { ...other, weightBps: 4_000 }] }, 'input.variants', /sum to 10000/],
      [
        { variants: [old, { ...other, deploymentId: pair.control }] },
        'input.variants[1].deploymentId',
        /each deployment once/,
      ],
      [{ minimumEffect: 0 }, 'input.minimumEffect', /not 0/],
      [{ alpha: 0.5 }, 'input.alpha', /below 0.5/],
      [{ alpha: 0 }, 'input.alpha', /above 0/],
      [{ metrics: [{ ...OUTPUT, role: 'SECONDARY' }] }, 'input.metrics', /PRIMARY/],
      [{ minHours: 700 }, 'input.minHours', /at most maxHours/],
      [{ metrics: [{ ...OUTPUT, test: 'MANN_WHITNEY' }] }, 'input.metrics[0].test', /design GROUP_SEQUENTIAL/],
      [
        { design: 'FIXED', metrics: [{ ...OUTPUT, test: 'CHI_SQUARE' }] },
        'input.metrics[0].aggregation',
        /ANY for CHI_SQUARE/,
      ],
      [
        { design: 'FIXED', metrics: [OUTPUT, { ...OUTPUT, name: 'late', role: 'GUARD', test: 'MANN_WHITNEY' }] },
        'input.metrics[1].test',
        /guard/,
      ],
      [{ metrics: [{ ...OUTPUT, winsorPercentile: 99 }] }, 'input.metrics[0].winsorPercentile', /SUM/],
      [
        { metrics: [{ ...OUTPUT, aggregation: 'SUM', winsorPercentile: 100 }] },
        'input.metrics[0].winsorPercentile',
        /below 100/,
      ],
    ];
    for (const [change, field, message] of refusals) {
      const error = await tess.fails(PlanAbTestDocument, { input: inputOf(pair, change) });
      expect(error.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
      expect(error.message).toMatch(message);
    }
    const wide = await twoVersions(0, { signature: xToY(1, 2) });
    const differs = await tess.fails(PlanAbTestDocument, { input: inputOf(wide) });
    expect(differs).toMatchObject({ extensions: { code: 'CONFLICT', field: 'input.variants[1].deploymentId' } });
    await plan(inputOf(pair));
    expect((await tess.fails(PlanAbTestDocument, { input: inputOf(pair) })).message).toContain('stop it first');
  });
});
