import { SeededRandom } from '../../statistics/index.js';
import type { Capacity, Shares, WaitingDemand } from './schedule.js';
import { type Arrivals, simulate } from './simulate.js';

/** A job that ended. */
export interface PastJob extends WaitingDemand {
  createdMs: number;
  endedMs: number;
  /** How long it ran; null when that says nothing of other jobs. */
  durationMs: number | null;
}

/** The queue as it is now. */
export interface QueueState<Job extends WaitingDemand> {
  machine: Capacity;
  shares: Shares;
  halfLifeMs: number;
  running: readonly { job: Job; begunMs: number }[];
  waiting: readonly Job[];
  nowMs: number;
}

/** When a job begins, with a probability of 80 %: in one of ten cases earlier, in one of ten later. */
export interface ExpectedStart {
  p10Ms: number;
  p50Ms: number;
  /** Null when it may well be after the time that was looked at. */
  p90Ms: number | null;
}

/** Fewer than this say little of how long the jobs of one tenant take: then those of all tenants count. */
const ENOUGH_PAST = 8;
/** A play ends after as many begun jobs. */
const MAX_BEGUN = 5_000;

/** What is known of past jobs: how long they took, and how often new ones come. */
export class History {
  private readonly durations = new Map<string, number[]>();
  /** All jobs that came since the first of the past jobs ended. */
  private readonly come: WaitingDemand[];
  private readonly fromMs: number;

  constructor(
    past: readonly PastJob[],
    unfinished: readonly WaitingDemand[],
    private readonly nowMs: number,
  ) {
    for (const { tenant, kind, durationMs } of past) {
      if (durationMs === null) continue;
      for (const key of [keyOf(kind, tenant), keyOf(kind), ANY_KIND]) {
        const known = this.durations.get(key);
        if (known) known.push(durationMs);
        else this.durations.set(key, [durationMs]);
      }
    }
    for (const known of this.durations.values()) known.sort((a, b) => a - b);
    const fromMs = past.reduce((first, { endedMs }) => Math.min(first, endedMs), nowMs);
    this.fromMs = fromMs;
    this.come = [
      ...past.filter(({ createdMs }) => createdMs >= fromMs),
      ...unfinished.filter(({ waitingSinceMs }) => waitingSinceMs >= fromMs),
    ];
  }

  /** The durations of such jobs, or of all jobs when none such has ended, ascending; empty when none has ended yet. */
  durationsOf({ kind, tenant }: Pick<PastJob, 'kind' | 'tenant'>): readonly number[] {
    const own = this.durations.get(keyOf(kind, tenant)) ?? [];
    if (own.length >= ENOUGH_PAST) return own;
    return this.durations.get(keyOf(kind)) ?? this.durations.get(ANY_KIND) ?? [];
  }

  /** A random duration of such a job that has run for `elapsedMs` already; null without history. */
  draw(job: Pick<PastJob, 'kind' | 'tenant'>, elapsedMs: number, random: SeededRandom): number | null {
    const known = this.durationsOf(job);
    if (known.length === 0) return null;
    const longer = known.length - firstAbove(known, elapsedMs);
    if (longer > 0) return known[known.length - longer + random.below(longer)]!;
    // Longer than every past job: it goes on about as long as it has lasted.
    return elapsedMs * (1 - Math.log(1 - random.next()));
  }

  /** New jobs as they came lately: after random times, each like a random one of them. */
  arrivals(random: SeededRandom): Arrivals<WaitingDemand> {
    const { come, nowMs, fromMs } = this;
    const everyMs = come.length < ENOUGH_PAST ? Infinity : (nowMs - fromMs) / come.length;
    const wait = () => (everyMs > 0 ? -Math.log(1 - random.next()) * everyMs : Infinity);
    let nextMs = nowMs + wait();
    return {
      nextMs: () => nextMs,
      take: () => {
        const job = { ...come[random.below(come.length)]!, waitingSinceMs: nextMs };
        nextMs += wait();
        return job;
      },
    };
  }
}

const ANY_KIND = '';
const keyOf = (kind: string, tenant?: string) => (tenant === undefined ? kind : `${kind} ${tenant}`);

function firstAbove(ascending: readonly number[], value: number): number {
  let [from, to] = [0, ascending.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (ascending[middle]! > value) to = middle;
    else from = middle + 1;
  }
  return from;
}

/** When a waiting job begins in one possible future; null when not within the time that was looked at. */
export function possibleStart<Job extends WaitingDemand>(
  state: QueueState<Job>,
  job: Job,
  history: History,
  seed: number,
): number | null {
  const random = new SeededRandom(seed);
  let startMs: number | null = null;
  let begun = 0;
  simulate<WaitingDemand>({
    ...state,
    startMs: state.nowMs,
    running: state.running.map((one) => {
      const elapsedMs = state.nowMs - one.begunMs;
      const totalMs = history.draw(one.job, elapsedMs, random) ?? 2 * elapsedMs;
      return { ...one, endsMs: one.begunMs + totalMs };
    }),
    durationOf: (one) => history.draw(one, 0, random) ?? 0,
    arrivals: history.arrivals(random),
    began: (one, atMs) => {
      if (one === job) startMs = atMs;
      return startMs === null && ++begun < MAX_BEGUN;
    },
  });
  return startMs;
}

/** The interval of the starts in the possible futures; null when the job began in too few of them. */
export function expectedStart(starts: readonly (number | null)[]): ExpectedStart | null {
  const sorted = starts.map((start) => start ?? Infinity).toSorted((a, b) => a - b);
  // The start itself is one more future: it lies below the k-th of n with a probability of k / (n + 1).
  const at = (part: number) => sorted[Math.min(sorted.length, Math.max(1, Math.round(part * (sorted.length + 1)))) - 1];
  const [p10Ms = Infinity, p50Ms = Infinity, p90Ms = Infinity] = [at(0.1), at(0.5), at(0.9)];
  return p50Ms === Infinity ? null : { p10Ms, p50Ms, p90Ms: p90Ms === Infinity ? null : p90Ms };
}

/** The waiting jobs in the order in which they begin when each job takes as long as half of those before it. */
export function queueOrder<Job extends WaitingDemand>(state: QueueState<Job>, history: History): Job[] {
  const usualMs = (job: WaitingDemand) => {
    const known = history.durationsOf(job);
    return known[known.length >> 1] ?? 1;
  };
  const order: Job[] = [];
  simulate<Job>({
    ...state,
    startMs: state.nowMs,
    running: state.running.map((one) => ({
      ...one,
      endsMs: Math.max(state.nowMs + 1, one.begunMs + usualMs(one.job)),
    })),
    durationOf: usualMs,
    arrivals: { nextMs: () => Infinity, take: () => state.waiting[0]! },
    began: (job) => order.push(job) < MAX_BEGUN,
  });
  return order;
}
