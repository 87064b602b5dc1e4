import { compareAnswers } from './rules/answers.js';
import { type Tensor, checkTensors } from '../model-contract/index.js';
import type { Runtimes } from './runtimes.js';
import { type Route, runsAlone, type Target } from './routes.js';
import type { TrafficRecorder } from './traffic-recorder.js';

/** A request that production has answered. */
export interface Mirrored {
  route: Route;
  production: Target;
  requestId: string;
  rows: number;
  inputs: Tensor[];
  outputs: Tensor[];
}

interface Waiting extends Mirrored {
  shadow: Target;
}

/** Limit of the copies that wait for one shadow, and of their values: a slow shadow leaves room for the others. */
const MAX_WAITING_REQUESTS = 2_000;
const MAX_WAITING_VALUES = 1_000_000;
/** Limit of the values that wait for all shadows. */
const MAX_WAITING_VALUES_TOTAL = 8_000_000;
/** Requests of one shadow that run at the same time. */
const MAX_RUNNING = 32;

interface Lane {
  waiting: Waiting[];
  values: number;
  running: number;
}

/**
 * Sends copies of live traffic to shadow deployments, after the answer, on a runtime of their own: a shadow that hangs,
 * fails or is slow does not affect live requests. Copies that do not fit into the queue are dropped and counted.
 */
export class ShadowMirror {
  private readonly lanes = new Map<string, Lane>();
  private values = 0;
  private underWay = new Set<Promise<void>>();
  dropped = 0;

  constructor(
    private readonly runtimes: Runtimes,
    private readonly recorder: TrafficRecorder,
    private readonly deadlineMs: number,
  ) {}

  /** Number of copies that wait or run. */
  get size(): number {
    let size = 0;
    for (const lane of this.lanes.values()) size += lane.waiting.length + lane.running;
    return size;
  }

  offer(mirrored: Mirrored): void {
    for (const shadow of mirrored.route.shadows) {
      const values = valuesOf(mirrored);
      const lane = this.lanes.get(shadow.id) ?? { waiting: [], values: 0, running: 0 };
      const isFull =
        lane.waiting.length >= MAX_WAITING_REQUESTS || (lane.values > 0 && lane.values + values > MAX_WAITING_VALUES);
      if (isFull || this.values + values > MAX_WAITING_VALUES_TOTAL) {
        this.dropped++;
        continue;
      }
      lane.values += values;
      this.values += values;
      this.lanes.set(shadow.id, lane);
      lane.waiting.push({ ...mirrored, shadow });
      // Not in the same turn of the event loop as the answer.
      if (lane.waiting.length === 1) setImmediate(() => this.advance(shadow.id, lane));
    }
  }

  /** Drops the waiting copies, and waits for the running ones. */
  async stop(): Promise<void> {
    for (const lane of this.lanes.values()) for (const waiting of lane.waiting.splice(0)) this.leave(lane, waiting);
    await Promise.all(this.underWay);
  }

  private advance(deploymentId: string, lane: Lane): void {
    while (lane.running < MAX_RUNNING) {
      const next = lane.waiting.shift();
      if (!next) break;
      lane.running++;
      const work = this.run(next).finally(() => {
        this.underWay.delete(work);
        this.leave(lane, next);
        lane.running--;
        this.advance(deploymentId, lane);
      });
      this.underWay.add(work);
    }
    if (lane.running === 0 && lane.waiting.length === 0) this.lanes.delete(deploymentId);
  }

  private leave(lane: Lane, waiting: Waiting): void {
    const values = valuesOf(waiting);
    lane.values -= values;
    this.values -= values;
  }

  private async run({ route, production, shadow, requestId, rows, inputs, outputs }: Waiting): Promise<void> {
    const startedAt = performance.now();
    const { logSampleRate, redactedFields } = route.endpoint;
    const served = { target: shadow, requestId, routingKey: null, rows, inputs, logSampleRate, redactedFields };
    try {
      // The candidate may take other inputs than production: this counts as a failure for the gate.
      checkTensors(shadow.version.signature, inputs, { maxRows: rows });
      const answer = await this.runtimes.infer(shadow, inputs, {
        deadlineMs: this.deadlineMs,
        alone: runsAlone(route, shadow),
      });
      const comparison = compareAnswers(outputs, answer.outputs, rows, production.valueTolerance, {
        production: production.version.signature,
        candidate: shadow.version.signature,
      });
      this.recorder.answered({ ...served, latencyMs: performance.now() - startedAt, comparison }, answer.outputs);
    } catch (error) {
      this.recorder.failed({ ...served, latencyMs: performance.now() - startedAt }, error);
    }
  }
}

function valuesOf({ inputs, outputs }: Mirrored): number {
  let values = 0;
  for (const { data } of inputs) values += data.length;
  for (const { data } of outputs) values += data.length;
  return values;
}
