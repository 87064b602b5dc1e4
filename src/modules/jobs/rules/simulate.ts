import { dominantShare, schedule, usedByTenant, EQUAL_SHARE } from './schedule.js';
import type { Capacity, RunningDemand, Share, Shares, WaitingDemand } from './schedule.js';

/** A job under way in a simulation. */
export interface Underway<Job> {
  job: Job;
  begunMs: number;
  endsMs: number;
}

/** A period of a simulation in which nothing changed. */
export interface Period<Job> {
  fromMs: number;
  toMs: number;
  running: readonly Underway<Job>[];
  waiting: readonly Job[];
  /** With the usage at its begin. */
  shares: Shares;
}

/** Jobs that come later, in the order of time. */
export interface Arrivals<Job> {
  /** When the next one comes; Infinity for no more. */
  nextMs(): number;
  take(): Job;
}

/** The state of the queue from which a simulation starts, and what happens in it. */
export interface Simulation<Job extends WaitingDemand> {
  machine: Capacity;
  running: readonly Underway<Job>[];
  waiting: readonly Job[];
  shares: Shares;
  /** After this time, what a tenant has used counts half. */
  halfLifeMs: number;
  startMs: number;
  durationOf(job: Job): number;
  arrivals: Arrivals<Job>;
  /** Chooses the jobs that begin; the rule of the service when absent. */
  choose?: typeof schedule;
  /** Ends the simulation by returning false. */
  began?(job: Job, atMs: number): boolean | void;
  ended?(job: Job, atMs: number): void;
  passed?(period: Period<Job>): void;
}

/** Plays a queue, from event to event, by the same rule that the workers use. Returns the time of the last event. */
export function simulate<Job extends WaitingDemand>(world: Simulation<Job>): number {
  const { machine, halfLifeMs, choose = schedule, shares, arrivals } = world;
  const of = new Map(shares.of);
  const running = [...world.running];
  const demands: (RunningDemand & { job: Job })[] = running.map(({ job }) => ({ ...job, isHere: true, job }));
  let waiting = [...world.waiting];
  let nowMs = world.startMs;
  for (;;) {
    for (const job of choose(machine, demands, waiting, { cluster: shares.cluster, of }, nowMs)) {
      waiting = waiting.filter((one) => one !== job);
      running.push({ job, begunMs: nowMs, endsMs: nowMs + world.durationOf(job) });
      demands.push({ ...job, isHere: true, job });
      if (world.began?.(job, nowMs) === false) return nowMs;
    }
    let nextMs = arrivals.nextMs();
    for (const { endsMs } of running) if (endsMs < nextMs) nextMs = endsMs;
    if (nextMs === Infinity) return nowMs;
    world.passed?.({ fromMs: nowMs, toMs: nextMs, running, waiting, shares: { cluster: shares.cluster, of } });
    age(of, demands, shares, (nextMs - nowMs) / halfLifeMs);
    nowMs = nextMs;
    for (let at = running.length - 1; at >= 0; at--) {
      const { job, endsMs } = running[at]!;
      if (endsMs > nowMs) continue;
      running.splice(at, 1);
      demands.splice(at, 1);
      world.ended?.(job, nowMs);
    }
    while (arrivals.nextMs() <= nowMs) waiting.push(arrivals.take());
  }
}

/** What each tenant has used counts less after some half-lives, and what it used meanwhile counts too. */
function age(of: Map<string, Share>, demands: readonly RunningDemand[], { cluster }: Shares, halfLives: number): void {
  const kept = 2 ** -halfLives;
  const used = usedByTenant(demands);
  for (const tenant of used.keys()) if (!of.has(tenant)) of.set(tenant, EQUAL_SHARE);
  for (const [tenant, share] of of) {
    const amounts = used.get(tenant);
    of.set(tenant, {
      ...share,
      usage: share.usage * kept + (amounts ? dominantShare(amounts, cluster) : 0) * (1 - kept),
    });
  }
}
