import type { Logger } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { type Answers, readAnswers, scoresOf } from './rules/answers.js';
import { inSample } from './rules/traffic.js';
import type { Tensor } from '../model-contract/index.js';
import { AppError, ErrorCode } from '../../errors.js';
import { Ticker } from '../platform/index.js';
import type { PredictionLogBuffer } from './prediction-log.js';
import type { Target } from './routes.js';
import type { Counted, TrafficCounters } from './traffic-counters.js';

/** A request to a deployment, answered or failed. */
export interface Served {
  target: Target;
  requestId: string;
  rows: number;
  latencyMs: number;
  inputs: readonly Tensor[];
  /** What chose the deployment; null for a shadow, and when the caller did. */
  routingKey: string | null;
  /** Fraction of requests to log. */
  logSampleRate: number;
  /** Names of inputs that are not logged. */
  redactedFields: readonly string[];
  comparison?: Counted['comparison'];
}

/** Gets every request, for the metrics of the process. */
export interface PredictionObserver {
  observePrediction(mode: string, errorCode: string | null, rows: number, latencyMs: number): void;
}

/** A live request as those who count by routing key see it. */
export interface KeyedAnswer {
  tenant: string;
  endpointId: string;
  deploymentId: string;
  routingKey: string;
  rows: number;
  latencyMs: number;
  failed: boolean;
  /** Sum of the values, or of the probabilities of the second class. */
  outputSum: number;
  /** Of the request, in the log too if it is logged. */
  id: string;
  requestId: string;
  modelVersionId: string;
  /** Null for a request that failed. */
  answers: Answers | null;
}

const FLUSH_MS = 1_000;

/** Faults of a model or of this service. A wrong request is the client's fault and is not counted. */
const FAULTS: ReadonlySet<ErrorCode> = new Set([
  ErrorCode.DEADLINE_EXCEEDED,
  ErrorCode.RESOURCE_EXHAUSTED,
  ErrorCode.UNAVAILABLE,
  ErrorCode.NOT_FOUND,
  ErrorCode.INTERNAL,
  ErrorCode.INVALID_MODEL,
]);

export function isFault(error: unknown): boolean {
  return !(error instanceof AppError) || FAULTS.has(error.code);
}

/**
 * Counts every request and logs a sample. Both are collected in memory and written in bulk, so that no prediction waits
 * for the database.
 */
export class TrafficRecorder {
  private readonly writing: Ticker;
  private readonly keyListeners: ((answer: KeyedAnswer) => void)[] = [];

  constructor(
    readonly counters: TrafficCounters,
    readonly log: PredictionLogBuffer,
    private readonly observer: PredictionObserver,
    logger: Logger,
  ) {
    this.writing = new Ticker({ name: 'traffic', intervalMs: FLUSH_MS, logger, run: () => this.write() });
  }

  /** The listener gets every live request, at once; it must be fast, and must not throw. */
  onKeyed(listener: (answer: KeyedAnswer) => void): void {
    this.keyListeners.push(listener);
  }

  start(): void {
    this.writing.start();
  }

  async stop(): Promise<void> {
    await this.flush();
    await this.writing.stop();
  }

  /** Writes everything that was recorded before. */
  flush(): Promise<void> {
    return this.writing.flush();
  }

  answered(served: Served, outputs: readonly Tensor[]): void {
    const answers = readAnswers(outputs, served.rows, served.target.version.signature);
    const scores = scoresOf(answers);
    let scoreSum = 0;
    for (const score of scores) scoreSum += score;
    this.record(served, null, scores, scoreSum, answers);
  }

  failed(served: Served, error: unknown): void {
    this.record(served, error instanceof AppError ? error.code : ErrorCode.INTERNAL, new Float64Array(0), 0, null);
  }

  /** A text that was answered or failed; `firstTokenMs` is its latency, which limits are about. */
  counted(
    { tenant, id, mode }: Served['target']['deployment'],
    errorCode: ErrorCode | null,
    firstTokenMs: number,
  ): void {
    this.observer.observePrediction(mode, errorCode, 1, firstTokenMs);
    const failed = errorCode !== null;
    this.counters.count({ tenant, deploymentId: id, rows: 1, latencyMs: firstTokenMs, failed, scoreSum: 0 });
  }

  private record(
    served: Served,
    errorCode: ErrorCode | null,
    scores: Float64Array,
    scoreSum: number,
    answers: Answers | null,
  ): void {
    const { tenant, id: deploymentId, endpointId, modelVersionId, mode } = served.target.deployment;
    const { rows, latencyMs, requestId, inputs, comparison } = served;
    this.observer.observePrediction(mode, errorCode, rows, latencyMs);
    const failed = errorCode !== null;
    this.counters.count({ tenant, deploymentId, rows, latencyMs, failed, scoreSum, comparison });
    const { routingKey } = served;
    const id = uuidv7();
    if (routingKey !== null) {
      const answer = {
        ...{ tenant, endpointId, deploymentId, routingKey, rows, latencyMs, failed, outputSum: scoreSum },
        ...{ id, requestId, modelVersionId, answers },
      };
      for (const listener of this.keyListeners) listener(answer);
    }
    if (!inSample(served.logSampleRate, requestId)) return;
    const specs = served.target.version.signature.inputs;
    this.log.offer({
      id,
      tenant,
      endpointId,
      deploymentId,
      modelVersionId,
      mode,
      requestId,
      rows,
      latencyMs,
      errorCode,
      inputs,
      redactedFields: served.redactedFields,
      specs,
      scores,
      answers,
    });
  }

  private async write(): Promise<void> {
    await this.counters.flush();
    await this.log.flush();
  }
}
