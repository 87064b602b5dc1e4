// The rule of the workers on 10,000 simulated jobs of unequal tenants: how well expected starts hold, how fair the
// tenants' shares are, and how busy the machine is beside first-come-first-served. Nothing is measured in seconds, so
// the figures are the same on every machine.
import type * as Forecast from '../src/modules/jobs/rules/forecast.ts';
import type * as Schedule from '../src/modules/jobs/rules/schedule.ts';
import type * as Simulate from '../src/modules/jobs/rules/simulate.ts';
import type * as Statistics from '../src/modules/statistics/index.ts';
import { fromDist } from './support/dist.ts';
import { percentile, report } from './support/report.ts';

const { History, expectedStart, possibleStart } = await fromDist<typeof Forecast>('modules/jobs/rules/forecast.js');
const { EQUAL_SHARE, dominantShare, schedule, usedByTenant } = await fromDist<typeof Schedule>(
  'modules/jobs/rules/schedule.js',
);
const { simulate } = await fromDist<typeof Simulate>('modules/jobs/rules/simulate.js');
const { SeededRandom } = await fromDist<typeof Statistics>('modules/statistics/index.js');

const JOBS = 10_000;
const MINUTE_MS = 60_000;
const HALF_LIFE_MS = 60 * MINUTE_MS;
const GIB = 1024 ** 3;
const MACHINE = { slots: 64, cores: 32, memoryBytes: 128 * GIB, gpus: 4 };
/** Starts are predicted for every so many-th job that must wait, from this one on, when there is a history. */
const PREDICTED_FROM = 1_500;
const PREDICTED_EVERY = 15;
const PREDICTIONS = 300;
const FUTURES = 60;
const PAST_JOBS = 1_000;
const [LOW, HIGH, JAIN] = [0.75, 0.85, 0.95];

/** People of a tenant who each send a job, wait for it, think, and send the next one. */
interface Tenant {
  people: number;
  weight: number;
  thinkMs: number;
  cores: readonly number[];
  gpuShare: number;
  /** The median duration; durations are log-normal. */
  medianMs: number;
  spread: number;
}

const TENANTS: Record<string, Tenant> = {
  giant: {
    people: 60,
    weight: 1,
    thinkMs: 20 * MINUTE_MS,
    cores: [1, 2, 4],
    gpuShare: 0,
    medianMs: 10 * MINUTE_MS,
    spread: 0.8,
  },
  many: {
    people: 40,
    weight: 1,
    thinkMs: 10 * MINUTE_MS,
    cores: [1],
    gpuShare: 0,
    medianMs: 3 * MINUTE_MS,
    spread: 0.5,
  },
  large: {
    people: 14,
    weight: 1,
    thinkMs: 15 * MINUTE_MS,
    cores: [8, 16],
    gpuShare: 0,
    medianMs: 6 * MINUTE_MS,
    spread: 0.7,
  },
  graphics: {
    people: 12,
    weight: 1,
    thinkMs: 10 * MINUTE_MS,
    cores: [2],
    gpuShare: 1,
    medianMs: 12 * MINUTE_MS,
    spread: 0.6,
  },
  double: {
    people: 30,
    weight: 2,
    thinkMs: 10 * MINUTE_MS,
    cores: [2, 4],
    gpuShare: 0,
    medianMs: 8 * MINUTE_MS,
    spread: 1,
  },
  small: {
    people: 8,
    weight: 0.5,
    thinkMs: 5 * MINUTE_MS,
    cores: [2],
    gpuShare: 0,
    medianMs: 5 * MINUTE_MS,
    spread: 0.4,
  },
};

interface SimulatedJob extends Schedule.WaitingDemand {
  durationMs: number;
}

/** The same jobs for each rule: the n-th job of a person is drawn from the person's own numbers. */
class People {
  made = 0;
  private readonly ready: { atMs: number; tenant: string; random: Statistics.SeededRandom }[] = [];
  private readonly owners = new Map<SimulatedJob, Statistics.SeededRandom>();

  constructor(seed: number) {
    let person = seed * 1_000_003;
    for (const [tenant, { people, thinkMs }] of Object.entries(TENANTS))
      for (let i = 0; i < people; i++) {
        const random = new SeededRandom(person++);
        this.ready.push({ atMs: random.next() * thinkMs, tenant, random });
      }
  }

  nextMs(): number {
    if (this.made === JOBS) return Infinity;
    return this.ready.reduce((least, { atMs }) => Math.min(least, atMs), Infinity);
  }

  take(): SimulatedJob {
    this.ready.sort((a, b) => b.atMs - a.atMs);
    const { atMs, tenant, random } = this.ready.pop()!;
    const { cores, gpuShare, medianMs, spread } = TENANTS[tenant]!;
    const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    const request = cores[random.below(cores.length)]!;
    const job = {
      ...{ tenant, kind: 'TRAINING', maxAtOnce: Infinity, priority: 0, waitingSinceMs: atMs },
      ...{ cores: request, memoryBytes: 2 * GIB * request, gpus: random.next() < gpuShare ? 1 : 0 },
      durationMs: Math.max(1_000, medianMs * Math.exp(spread * normal)),
    };
    this.owners.set(job, random);
    this.made++;
    return job;
  }

  ended(job: SimulatedJob, atMs: number): void {
    const random = this.owners.get(job)!;
    this.ready.push({
      atMs: atMs - Math.log(1 - random.next()) * TENANTS[job.tenant]!.thinkMs,
      tenant: job.tenant,
      random,
    });
  }
}

const WEIGHTS = new Map(Object.entries(TENANTS).map(([tenant, { weight }]) => [tenant, { ...EQUAL_SHARE, weight }]));

interface Played {
  /** The used part of the machine, from the first to the last arrival. */
  utilisation: number;
  /** What each tenant had of the machine while all of them had waiting jobs, for its weight. */
  perWeight: number[];
  /** The part of the time in which all tenants had waiting jobs. */
  allWaitShare: number;
  meanWaitMinutes: number;
}

/** Jobs in the order in which they came, none before those that came earlier. */
const firstComeFirstServed: typeof Schedule.schedule = (machine, running, waiting, shares, nowMs) => {
  const begin: (typeof waiting)[number][] = [];
  for (const one of waiting.toSorted((a, b) => a.waitingSinceMs - b.waitingSinceMs)) {
    const now = [...running, ...begin.map((begun) => ({ ...begun, isHere: true }))];
    if (schedule(machine, now, [one], shares, nowMs).length === 0) break;
    begin.push(one);
  }
  return begin;
};

function play(seed: number, watch?: Partial<Simulate.Simulation<SimulatedJob>>, choose = schedule): Played {
  const people = new People(seed);
  const used = new Map<string, number>();
  let [busyMs, lengthMs, allWaitMs, waitMs] = [0, 0, 0, 0];
  simulate<SimulatedJob>({
    ...{ machine: MACHINE, running: [], waiting: [], startMs: 0, halfLifeMs: HALF_LIFE_MS, choose, arrivals: people },
    shares: { cluster: MACHINE, of: WEIGHTS },
    durationOf: ({ durationMs }) => durationMs,
    ...watch,
    began: (job, atMs) => {
      waitMs += atMs - job.waitingSinceMs;
      watch?.began?.(job, atMs);
    },
    ended: (job, atMs) => {
      people.ended(job, atMs);
      watch?.ended?.(job, atMs);
    },
    passed: (period) => {
      watch?.passed?.(period);
      const { fromMs, toMs, running, waiting } = period;
      if (people.made === JOBS) return;
      lengthMs += toMs - fromMs;
      busyMs += (toMs - fromMs) * running.reduce((sum, { job }) => sum + job.cores / MACHINE.cores, 0);
      const tenants = new Set(waiting.map(({ tenant }) => tenant));
      if (tenants.size < WEIGHTS.size) return;
      allWaitMs += toMs - fromMs;
      for (const [tenant, amounts] of usedByTenant(running.map(({ job }) => job)))
        used.set(tenant, (used.get(tenant) ?? 0) + (toMs - fromMs) * dominantShare(amounts, MACHINE));
    },
  });
  return {
    utilisation: busyMs / lengthMs,
    perWeight: [...WEIGHTS].map(([tenant, { weight }]) => (used.get(tenant) ?? 0) / allWaitMs / weight),
    allWaitShare: allWaitMs / lengthMs,
    meanWaitMinutes: waitMs / JOBS / MINUTE_MS,
  };
}

const jainOf = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) ** 2 /
  (values.length * values.reduce((sum, value) => sum + value * value, 0));

/** Predicts starts in the middle of a play, from what is known at that time only. */
function predictions(seed: number) {
  const expected = new Map<SimulatedJob, Forecast.ExpectedStart | null>();
  const past: Forecast.PastJob[] = [];
  const seen = new Set<SimulatedJob>();
  const minutes: number[] = [];
  let [inside, earlier, later] = [0, 0, 0];
  let waited = 0;
  play(seed, {
    began: (job, atMs) => {
      const start = expected.get(job);
      if (!start) return;
      if (atMs < start.p10Ms) earlier++;
      else if (atMs > (start.p90Ms ?? Infinity)) later++;
      else inside++;
    },
    ended: (job, endedMs) => void past.push({ ...job, createdMs: job.waitingSinceMs, endedMs }),
    passed: ({ fromMs: nowMs, running, waiting, shares }) => {
      for (const job of waiting) {
        if (seen.has(job)) continue;
        seen.add(job);
        if (++waited < PREDICTED_FROM || waited % PREDICTED_EVERY > 0 || expected.size === PREDICTIONS) continue;
        const history = new History(past.slice(-PAST_JOBS), [...running.map((one) => one.job), ...waiting], nowMs);
        const state = { machine: MACHINE, shares, halfLifeMs: HALF_LIFE_MS, running, waiting, nowMs };
        const starts = Array.from({ length: FUTURES }, (_, future) => possibleStart(state, job, history, future));
        const start = expectedStart(starts);
        expected.set(job, start);
        if (start?.p90Ms) minutes.push((start.p90Ms - start.p10Ms) / MINUTE_MS);
      }
    },
  });
  const predicted = expected.size;
  return {
    predicted,
    minutes,
    insideShare: inside / predicted,
    earlierShare: earlier / predicted,
    laterShare: later / predicted,
  };
}

const fair = play(1);
const served = play(1, {}, firstComeFirstServed);
const jain = jainOf(fair.perWeight);
const { insideShare, earlierShare, laterShare, predicted, minutes } = predictions(1);
const isCalibrated = insideShare >= LOW && insideShare <= HIGH;
const isBusy = fair.utilisation >= served.utilisation;
// The smallest of three parts: a value of at least 1 means that all three goals hold.
const calibration = isCalibrated ? 1 : 1 - Math.max(LOW - insideShare, insideShare - HIGH);
report('scheduler', Math.min(calibration, jain / JAIN, fair.utilisation / served.utilisation), 1, 'higher', {
  jobs: JOBS,
  tenants: WEIGHTS.size,
  ...{ insideShare, isCalibrated, earlierShare, laterShare, predicted, intervalMinutes: percentile(minutes, 0.5) },
  ...{ jain, isFair: jain >= JAIN, allTenantsWaitShare: fair.allWaitShare },
  shareForWeight: fair.perWeight,
  ...{ utilisation: fair.utilisation, firstComeFirstServedUtilisation: served.utilisation, isBusy },
  ...{ meanWaitMinutes: fair.meanWaitMinutes, firstComeFirstServedWaitMinutes: served.meanWaitMinutes },
});
