/** What one job needs of the machine on which it runs. */
export interface Resources {
  cores: number;
  memoryBytes: number;
  gpus: number;
}

/** What one worker process has for jobs. */
export interface Capacity extends Resources {
  /** Jobs that run at the same time; those that only wait for other jobs do not count. */
  slots: number;
}

/** What a job requests, for all of its workers together: it begins with all of it, or not at all. */
export interface Demand extends Resources {
  tenant: string;
  kind: string;
  priority: number;
  /** Its resources are those of a cluster outside: it counts for its tenant, but takes no room of a machine. */
  isOutside?: boolean;
}

/** A job that is ready to begin. */
export interface WaitingDemand extends Demand {
  /** The maximum number of jobs of its kind that run at the same time in one process. */
  maxAtOnce: number;
  /** The time since when it could have begun. */
  waitingSinceMs: number;
  /** Where running jobs make room for it: in this process, or in another one; nowhere when absent. */
  room?: 'HERE' | 'ELSEWHERE' | undefined;
}

/** A job that runs, in this process or in another one. */
export interface RunningDemand extends Demand {
  isHere: boolean;
}

/** What belongs to one tenant; the amounts are for all workers together, and null is no limit. */
export interface Share {
  /** The resources of tenants who all wait are in the relation of their weights. */
  weight: number;
  /** What the tenant can count on. More than this is borrowed, and only while no other tenant waits for its own. */
  quota: Amounts;
  /** The most that the tenant may borrow. */
  borrowingLimit: Amounts;
  /** The part of all resources that the tenant has used lately, 0 to 1: the longer ago, the less it counts. */
  usage: number;
}

export type Amounts = Readonly<Record<keyof Resources, number | null>>;

/** The shares of all tenants, and the resources that they divide among themselves. */
export interface Shares {
  /** The resources of all worker processes, and of the cluster outside. */
  cluster: Resources;
  /** The cores that jobs may use together in the cluster outside; null or absent is no limit. */
  outsideCores?: number | null;
  /** A tenant that is not in it has `EQUAL_SHARE`. */
  of: ReadonlyMap<string, Share>;
}

export const RESOURCES = ['cores', 'memoryBytes', 'gpus'] as const satisfies (keyof Resources)[];
export const NO_AMOUNTS: Amounts = { cores: null, memoryBytes: null, gpus: null };
export const EQUAL_SHARE: Share = { weight: 1, quota: NO_AMOUNTS, borrowingLimit: NO_AMOUNTS, usage: 0 };

/** How long smaller jobs may overtake a job that needs more than is free, at first. */
const PASSED_FOR_MS = 30_000;
/**
 * What a tenant uses now counts little beside what it has used lately, which includes it: just enough that tenants
 * without a past take turns. With more, those with few large jobs would get more than the others.
 */
const WEIGHT_OF_NOW = 0.1;
/** Sums of fractions of cores are not exact. */
const TOLERANCE = 1e-9;

/**
 * A job that needs no resources waits for other jobs: it must begin however busy the machine is, otherwise both would
 * wait for ever.
 */
export const needsNothing = ({ cores, memoryBytes, gpus }: Resources) => cores === 0 && memoryBytes === 0 && gpus === 0;

/** Whether a job needs room of the machine that begins it. */
export const takesRoom = (one: Demand): boolean => one.isOutside !== true && !needsNothing(one);

/**
 * Whether other jobs must no longer overtake a job that has waited this long. Periods with and without overtaking
 * alternate, and each is twice as long as the one before: finally, a period without overtaking is longer than any
 * running job, so no job waits for ever.
 */
export function blocksOthers(waitedMs: number): boolean {
  return waitedMs >= PASSED_FOR_MS && Math.floor(Math.log2(waitedMs / PASSED_FOR_MS)) % 2 === 0;
}

/** What is in use, of one machine or by one tenant. */
export class InUse implements Resources {
  jobs = 0;
  cores = 0;
  memoryBytes = 0;
  gpus = 0;

  add(demand: Resources): void {
    this.jobs++;
    this.cores += demand.cores;
    this.memoryBytes += demand.memoryBytes;
    this.gpus += demand.gpus;
  }
}

/** The largest part that these amounts are of any resource of the whole. */
export function dominantShare(amounts: Resources, whole: Resources): number {
  let largest = 0;
  for (const of of RESOURCES) if (whole[of] > 0) largest = Math.max(largest, amounts[of] / whole[of]);
  return largest;
}

/** What each tenant uses now. Jobs that only wait for others do not count. */
export function usedByTenant(running: readonly Demand[]): Map<string, InUse> {
  const used = new Map<string, InUse>();
  for (const one of running) if (!needsNothing(one)) usedBy(used, one.tenant).add(one);
  return used;
}

function usedBy(used: Map<string, InUse>, tenant: string): InUse {
  const found = used.get(tenant);
  if (found) return found;
  const none = new InUse();
  used.set(tenant, none);
  return none;
}

/** Whether the tenant would have more than `limit` with this job. */
function passes(used: Resources, one: Resources, limit: (of: keyof Resources) => number | null): boolean {
  return RESOURCES.some((of) => {
    const most = limit(of);
    return most !== null && one[of] > 0 && used[of] + one[of] > most + TOLERANCE;
  });
}

/** Whether the job would use what its tenant cannot count on. */
export const borrows = (used: Resources, one: Resources, { quota }: Share): boolean =>
  passes(used, one, (of) => quota[of]);

/** Whether the job would pass what its tenant may use with all that it may borrow. */
export const passesLimit = (used: Resources, one: Resources, { quota, borrowingLimit }: Share): boolean =>
  passes(used, one, (of) =>
    quota[of] === null || borrowingLimit[of] === null ? null : quota[of] + borrowingLimit[of],
  );

/** Whether the cluster outside has room, of which `used` cores are in use. What needs more than all of it gets it. */
export const fitsOutside = ({ cores }: Resources, used: number, most: number | null): boolean =>
  most === null || used + Math.min(cores, most) <= most + TOLERANCE;

/** The room of one machine, and of the cluster outside that all machines share. */
class Room {
  private readonly kinds = new Map<string, number>();
  private readonly used = new InUse();
  private outside = 0;

  constructor(
    private readonly machine: Capacity,
    running: readonly RunningDemand[],
    private readonly outsideCores: number | null,
  ) {
    for (const one of running)
      if (one.isHere) this.add(one);
      else if (one.isOutside) this.outside += one.cores;
  }

  add(one: Demand): void {
    this.kinds.set(one.kind, (this.kinds.get(one.kind) ?? 0) + 1);
    if (one.isOutside) this.outside += one.cores;
    else if (takesRoom(one)) this.used.add(one);
  }

  takesKind({ kind, maxAtOnce }: WaitingDemand): boolean {
    return (this.kinds.get(kind) ?? 0) < maxAtOnce;
  }

  /** Cores and memory: a job that needs more than the machine has gets all of it. GPUs: all must exist. */
  fits(one: Demand): boolean {
    const { machine, used } = this;
    if (one.isOutside) return fitsOutside(one, this.outside, this.outsideCores);
    if (!takesRoom(one)) return true;
    return (
      used.jobs < machine.slots &&
      used.cores + Math.min(one.cores, machine.cores) <= machine.cores + TOLERANCE &&
      used.memoryBytes + Math.min(one.memoryBytes, machine.memoryBytes) <= machine.memoryBytes &&
      used.gpus + one.gpus <= machine.gpus
    );
  }
}

/** The waiting jobs of one tenant, in their order: by priority, then by waiting time. */
interface Line<Waiting> {
  share: Share;
  used: InUse;
  /** What the tenant had lately and has now, for its weight: the tenant with the least comes first. */
  standing: number;
  jobs: Waiting[];
  /** How many of them have been considered. */
  next: number;
}

const standingOf = (share: Share, used: Resources, cluster: Resources) =>
  (share.usage + WEIGHT_OF_NOW * dominantShare(used, cluster)) / share.weight;

function linesOf<Waiting extends WaitingDemand>(
  waiting: readonly Waiting[],
  used: Map<string, InUse>,
  shares: Shares,
): Line<Waiting>[] {
  const lines = new Map<string, Line<Waiting>>();
  for (const one of waiting) {
    const line = lines.get(one.tenant);
    if (line) line.jobs.push(one);
    else {
      const share = shares.of.get(one.tenant) ?? EQUAL_SHARE;
      const amounts = usedBy(used, one.tenant);
      const standing = standingOf(share, amounts, shares.cluster);
      lines.set(one.tenant, { share, used: amounts, standing, jobs: [one], next: 0 });
    }
  }
  for (const { jobs } of lines.values())
    jobs.sort((a, b) => b.priority - a.priority || a.waitingSinceMs - b.waitingSinceMs);
  return [...lines.values()];
}

/**
 * Which of the waiting jobs begin on this machine now, in this order. Jobs for which others made room here come first,
 * and until one fits, no other job takes the room that becomes free for it. Then the tenant that has the least for its
 * weight comes first; of its jobs the one with the highest priority, then the one that has waited longest. Jobs for
 * which their tenant must borrow come last, and only while no other tenant waits for what is within its quota.
 */
export function schedule<Waiting extends WaitingDemand>(
  machine: Capacity,
  running: readonly RunningDemand[],
  waiting: readonly Waiting[],
  shares: Shares,
  nowMs: number,
): Waiting[] {
  if (waiting.length === 0) return [];
  const room = new Room(machine, running, shares.outsideCores ?? null);
  const begin: Waiting[] = [];
  const hasIdle = waiting.some((one) => !takesRoom(one));
  if (!hasIdle && !waiting.some((one) => room.fits(one))) return begin;
  const lines = linesOf(waiting, usedByTenant(running), shares);
  const expected = new Set<Waiting>();
  const take = (one: Waiting, line: Line<Waiting>) => {
    room.add(one);
    line.used.add(one);
    line.standing = standingOf(line.share, line.used, shares.cluster);
  };
  for (const line of lines)
    for (const one of line.jobs) {
      if (one.room !== 'HERE' || !room.takesKind(one)) continue;
      if (borrows(line.used, one, line.share) || passesLimit(line.used, one, line.share)) continue;
      expected.add(one);
      if (room.fits(one)) begin.push(one);
      take(one, line);
    }
  const borrowing: Waiting[] = [];
  /** Tenants with a job within their quota that must wait for room. */
  const waitForTheirOwn = new Set<string>();
  const isBlocked = { here: false, outside: false };
  const isPossible = (one: Waiting) => one.isOutside === true || one.gpus <= machine.gpus;
  const place = (one: Waiting, line: Line<Waiting>): boolean => {
    const where = one.isOutside ? 'outside' : 'here';
    if (needsNothing(one)) room.add(one);
    else if (!isBlocked[where] && room.fits(one)) take(one, line);
    else {
      if (isPossible(one) && blocksOthers(nowMs - one.waitingSinceMs)) isBlocked[where] = true;
      return false;
    }
    begin.push(one);
    return true;
  };
  for (const [one, line] of inTurn(lines)) {
    if (isBlocked.here && !hasIdle) return begin;
    if (expected.has(one)) continue;
    if (!room.takesKind(one) || passesLimit(line.used, one, line.share)) continue;
    if (borrows(line.used, one, line.share)) borrowing.push(one);
    else if (!place(one, line) && isPossible(one)) waitForTheirOwn.add(one.tenant);
  }
  if (borrowing.length === 0) return begin;
  const borrowers = linesOf(borrowing, new Map(lines.map(({ jobs, used }) => [jobs[0]!.tenant, used])), shares);
  for (const [one, line] of inTurn(borrowers)) {
    const othersWait = waitForTheirOwn.size > (waitForTheirOwn.has(one.tenant) ? 1 : 0);
    if (!othersWait && room.takesKind(one) && !passesLimit(line.used, one, line.share)) place(one, line);
  }
  return begin;
}

/** Whether the next job of one line comes before that of another: the tenant with the least, then the longer wait. */
function isBefore<Waiting extends WaitingDemand>(one: Line<Waiting>, other: Line<Waiting>): boolean {
  const more = one.standing - other.standing;
  if (Math.abs(more) > TOLERANCE) return more < 0;
  return one.jobs[one.next]!.waitingSinceMs < other.jobs[other.next]!.waitingSinceMs;
}

/** A running job that another one may replace. */
export interface Replaceable extends RunningDemand {
  begunMs: number;
  /** Whether a later attempt continues where this one stops. */
  keepsProgress: boolean;
  /** Whether it has been asked to stop. */
  isStopping: boolean;
}

/**
 * Which running jobs make room for one that waits: for the first waiting job with which its tenant has no more than it
 * deserves, when it would not fit otherwise. Jobs of tenants that have more than they deserve make room, never so many
 * that such a tenant has less than that: those of the lowest priority first, then the newest. None does before it has
 * run for `minRunMs`, or while another one is stopping. Null when none has to, or no job would fit then.
 */
export function makeRoom<Running extends Replaceable, Waiting extends WaitingDemand>(
  machine: Capacity,
  running: readonly Running[],
  waiting: readonly Waiting[],
  shares: Shares,
  nowMs: number,
  minRunMs: number,
): { replaced: Running[]; by: Waiting } | null {
  if (running.some(({ isHere, isStopping }) => isHere && isStopping)) return null;
  const active = new Set([...running, ...waiting].map(({ tenant }) => tenant));
  const deserved = (tenant: string) => deservedShare(tenant, active, shares) + TOLERANCE;
  const shareOf = (tenant: string, without: readonly Running[], more?: Resources) => {
    const used = new InUse();
    for (const one of running) if (one.tenant === tenant && !without.includes(one)) used.add(one);
    if (more) used.add(more);
    return dominantShare(used, shares.cluster);
  };
  const fits = (one: WaitingDemand, without: readonly Running[]) => {
    const room = new Room(
      machine,
      running.filter((other) => !without.includes(other)),
      shares.outsideCores ?? null,
    );
    return room.takesKind(one) && room.fits(one);
  };
  const replaceable = running
    .filter((one) => one.isHere && one.keepsProgress && takesRoom(one) && nowMs - one.begunMs >= minRunMs)
    .toSorted((a, b) => a.priority - b.priority || b.begunMs - a.begunMs);
  for (const [one, { used, share }] of inTurn(linesOf(waiting, usedByTenant(running), shares))) {
    if (!takesRoom(one) || one.room === 'ELSEWHERE' || fits(one, []) || nowMs - one.waitingSinceMs < PASSED_FOR_MS)
      continue;
    if (borrows(used, one, share) || passesLimit(used, one, share)) continue;
    if (shareOf(one.tenant, [], one) > deserved(one.tenant)) continue;
    const chosen: Running[] = [];
    for (const other of replaceable) {
      if (other.tenant === one.tenant || fits(one, chosen)) continue;
      if (shareOf(other.tenant, [...chosen, other]) + TOLERANCE >= deserved(other.tenant) - TOLERANCE)
        chosen.push(other);
    }
    if (!fits(one, chosen)) continue;
    // Those that are not needed after all go on.
    let needed = chosen;
    for (const other of chosen) {
      const rest = needed.filter((kept) => kept !== other);
      if (fits(one, rest)) needed = rest;
    }
    return { replaced: needed, by: one };
  }
  return null;
}

/** The jobs of all lines: each time the next one of the tenant that has the least by then. */
function* inTurn<Waiting extends WaitingDemand>(lines: readonly Line<Waiting>[]): Generator<[Waiting, Line<Waiting>]> {
  const open = new Set(lines);
  while (open.size > 0) {
    let first: Line<Waiting> | undefined;
    for (const line of open) if (!first || isBefore(line, first)) first = line;
    const line = first!;
    const one = line.jobs[line.next++]!;
    if (line.next === line.jobs.length) open.delete(line);
    yield [one, line];
  }
}

/**
 * The part of all resources, 0 to 1, that a tenant deserves beside the others that run or wait: its weight of the sum
 * of all weights.
 */
export function deservedShare(tenant: string, active: ReadonlySet<string>, shares: Shares): number {
  const weightOf = (one: string) => (shares.of.get(one) ?? EQUAL_SHARE).weight;
  let sum = active.has(tenant) ? 0 : weightOf(tenant);
  for (const one of active) sum += weightOf(one);
  return weightOf(tenant) / sum;
}
