import type { Database } from '../../db/database.js';
import { LATENCY_BUCKETS, latencyBucket } from '../model-contract/index.js';
import { addMinutes, type Minute } from './stores/traffic.js';

/** One request that a deployment answered or failed. */
export interface Counted {
  tenant: string;
  deploymentId: string;
  rows: number;
  latencyMs: number;
  failed: boolean;
  scoreSum: number;
  /** For a shadow: rows that were compared with production's answer, and how many differed. */
  comparison?: { comparedRows: number; disagreements: number };
}

const MINUTE_MS = 60_000;
/**
 * Limit of the minutes that are kept while the database does not answer. Beyond it the oldest ones are dropped and
 * counted.
 */
const MAX_WAITING = 20_000;

/** Exact counters per deployment and minute. They add up in memory; `flush` adds them to the database. */
export class TrafficCounters {
  private current = new Map<string, Minute>();
  private waiting: Minute[] = [];
  droppedMinutes = 0;

  constructor(private readonly db: Database) {}

  count(request: Counted): void {
    const counts = this.minuteOf(request.tenant, request.deploymentId);
    counts.requests++;
    counts.latencyCounts[latencyBucket(request.latencyMs)]!++;
    if (request.failed) {
      counts.errors++;
      return;
    }
    counts.rows += request.rows;
    if (Number.isFinite(request.scoreSum)) counts.scoreSum += request.scoreSum;
    if (!request.comparison) return;
    counts.comparedRows += request.comparison.comparedRows;
    counts.disagreements += request.comparison.disagreements;
  }

  /** Counts a sampled request that the log has lost. */
  countUnlogged({ tenant, deploymentId }: Pick<Counted, 'tenant' | 'deploymentId'>): void {
    this.minuteOf(tenant, deploymentId).unlogged++;
  }

  private minuteOf(tenant: string, deploymentId: string): Minute {
    const minute = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
    let counts = this.current.get(deploymentId);
    if (counts?.minute !== minute) {
      if (counts) this.waiting.push(counts);
      counts = emptyMinute(tenant, deploymentId, minute);
      this.current.set(deploymentId, counts);
    }
    return counts;
  }

  /** Adds the counts to the table. Counts that cannot be written wait for the next call. */
  async flush(): Promise<void> {
    const counted = [...this.waiting, ...this.current.values()];
    this.waiting = [];
    this.current = new Map();
    if (counted.length === 0) return;
    try {
      await this.db.asSystem((em) => addMinutes(em, mergeSame(counted)));
    } catch (error) {
      this.waiting.unshift(...counted);
      this.droppedMinutes += this.waiting.splice(0, Math.max(0, this.waiting.length - MAX_WAITING)).length;
      throw error;
    }
  }
}

function emptyMinute(tenant: string, deploymentId: string, minute: number): Minute {
  const latencyCounts = new Array<number>(LATENCY_BUCKETS).fill(0);
  return {
    tenant,
    deploymentId,
    minute,
    requests: 0,
    rows: 0,
    errors: 0,
    latencyCounts,
    comparedRows: 0,
    disagreements: 0,
    scoreSum: 0,
    unlogged: 0,
  };
}

/** A statement may change each row only once. */
function mergeSame(counted: Minute[]): Minute[] {
  const merged = new Map<string, Minute>();
  for (const part of counted) {
    const key = `${part.deploymentId} ${part.minute}`;
    const sum = merged.get(key) ?? emptyMinute(part.tenant, part.deploymentId, part.minute);
    for (const field of [
      'requests',
      'rows',
      'errors',
      'comparedRows',
      'disagreements',
      'scoreSum',
      'unlogged',
    ] as const)
      sum[field] += part[field];
    part.latencyCounts.forEach((count, bucket) => (sum.latencyCounts[bucket]! += count));
    merged.set(key, sum);
  }
  return [...merged.values()];
}
