import {
  borrows,
  type Capacity,
  deservedShare,
  type Demand,
  dominantShare,
  EQUAL_SHARE,
  fitsOutside,
  InUse,
  needsNothing,
  passesLimit,
  RESOURCES,
  type Resources,
  type Share,
  type Shares,
  takesRoom,
  usedByTenant,
  type WaitingDemand,
} from './schedule.js';

/** Why a job does not run. */
export const WAIT_REASONS = {
  NEXT: 'It begins as soon as a worker asks for its next job.',
  PAUSED: 'A person has paused it.',
  NOT_BEFORE: 'Its earliest time has not come, or it waits after a failed attempt.',
  NO_WORKER: 'No worker takes jobs from its queue.',
  NO_SUCH_GPUS: 'No worker has as many GPUs as it requests.',
  LIMIT: 'Its tenant would use more than its quota and what it may borrow.',
  BORROWING: 'Its tenant would use more than its quota while other tenants wait for what is theirs.',
  KIND_LIMIT: 'As many jobs of its kind run as the workers run at the same time.',
  BEHIND_OTHERS: 'Other jobs come first.',
  NO_ROOM: 'It comes next, and its resources are still in use.',
} as const;
export type WaitReason = keyof typeof WAIT_REASONS;

/** What a tenant has and may have of all resources. */
export interface ShareExplanation extends Share {
  /** The part of all resources, 0 to 1, that the tenant deserves beside the others that run or wait now. */
  deserved: number;
  /** The part that it uses now: the largest one of any resource. */
  used: number;
  /** What it uses beyond its quota; nothing without a quota. */
  borrowed: Resources;
}

export function explainShare(tenant: string, running: readonly Demand[], waiting: readonly Demand[], shares: Shares) {
  const share = shares.of.get(tenant) ?? EQUAL_SHARE;
  const used = usedByTenant(running).get(tenant) ?? new InUse();
  const borrowed = { cores: 0, memoryBytes: 0, gpus: 0 };
  for (const of of RESOURCES) borrowed[of] = Math.max(0, used[of] - (share.quota[of] ?? Infinity));
  const active = new Set([...running, ...waiting].map((one) => one.tenant));
  return {
    ...share,
    deserved: deservedShare(tenant, active, shares),
    used: dominantShare(used, shares.cluster),
    borrowed,
  } satisfies ShareExplanation;
}

/** What is known of a waiting job when it is explained. `maxAtOnce` counts all workers together. */
export interface Waits<Job extends WaitingDemand> {
  job: Job;
  /** Null when it may begin at once. */
  notBeforeMs: number | null;
  /** The workers that take jobs from its queue. */
  workers: readonly Capacity[];
  running: readonly Demand[];
  /** Of these, the jobs from queues of these workers. */
  beside: readonly Demand[];
  /** The jobs that could begin now, in the order in which they will. */
  order: readonly Job[];
  shares: Shares;
  nowMs: number;
}

/** The first reason that holds. */
export function whyWaiting<Job extends WaitingDemand>({
  job,
  notBeforeMs,
  workers,
  running,
  beside,
  order,
  shares,
  nowMs,
}: Waits<Job>): WaitReason {
  if ((notBeforeMs ?? 0) > nowMs) return 'NOT_BEFORE';
  if (workers.length === 0) return 'NO_WORKER';
  if (!job.isOutside && workers.every(({ gpus }) => gpus < job.gpus)) return 'NO_SUCH_GPUS';
  const share = shares.of.get(job.tenant) ?? EQUAL_SHARE;
  const used = usedByTenant(running).get(job.tenant) ?? new InUse();
  if (passesLimit(used, job, share)) return 'LIMIT';
  if (borrows(used, job, share) && order.some(({ tenant }) => tenant !== job.tenant)) return 'BORROWING';
  if (beside.filter(({ kind }) => kind === job.kind).length >= job.maxAtOnce) return 'KIND_LIMIT';
  if (needsNothing(job)) return 'NEXT';
  if (order.indexOf(job) > 0) return 'BEHIND_OTHERS';
  if (job.isOutside) {
    const outside = running.reduce((sum, one) => sum + (one.isOutside ? one.cores : 0), 0);
    return fitsOutside(job, outside, shares.outsideCores ?? null) ? 'NEXT' : 'NO_ROOM';
  }
  const atWork = beside.filter(takesRoom);
  const isFree = (of: keyof Resources) => {
    const all = workers.reduce((sum, one) => sum + one[of], 0);
    return atWork.reduce((sum, one) => sum + one[of], Math.min(job[of], all)) <= all;
  };
  const places = workers.reduce((sum, { slots }) => sum + slots, 0);
  return atWork.length < places && RESOURCES.every(isFree) ? 'NEXT' : 'NO_ROOM';
}
