import type { Logger } from 'pino';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Database } from '../../db/database.js';
import type { ServerStatistics } from '../../inference/port.js';
import { DeploymentActivator } from './deployment-activator.js';
import type { DeploymentService } from './deployment.service.js';
import { PredictService } from './predict.service.js';
import { PredictionLogBuffer } from './prediction-log.js';
import { RemoteModels } from './remote-models.js';
import { Routes } from './routes.js';
import { servedId } from './rules/scaling.js';
import type { Runtimes } from './runtimes.js';
import { deployedOn } from './stores/deployments.js';
import { ShadowMirror } from './shadow-mirror.js';
import type { TextModels } from './text-models.js';
import { TrafficCounters } from './traffic-counters.js';
import { type PredictionObserver, TrafficRecorder } from './traffic-recorder.js';

export interface ServingOptions {
  db: Database;
  live: LiveEvents;
  logger: Logger;
  deployments: DeploymentService;
  runtimes: Runtimes;
  predictDeadlineMs: number;
  observe: PredictionObserver;
}

/** A model that several deployments share has one count there. */
export interface DeploymentServerStatistics extends ServerStatistics {
  runtime: string;
  deploymentId: string;
}

const UNLOAD_INTERVAL_MS = 60_000;

/** The parts of a process that answers predictions, and its background work. */
export class Serving {
  readonly traffic: TrafficRecorder;
  readonly mirror: ShadowMirror;
  readonly predictions: PredictService;
  private readonly runtimes: Runtimes;
  private readonly routes: Routes;
  private readonly activator: DeploymentActivator;
  private readonly remote: RemoteModels;
  private unloading: NodeJS.Timeout | null = null;

  constructor(private readonly options: ServingOptions) {
    const { db, live, logger, deployments, runtimes, predictDeadlineMs: deadlineMs, observe } = options;
    this.runtimes = runtimes;
    const counters = new TrafficCounters(db);
    const log = new PredictionLogBuffer(db, (lost) => counters.countUnlogged(lost));
    this.traffic = new TrafficRecorder(counters, log, observe, logger);
    this.mirror = new ShadowMirror(runtimes, this.traffic, deadlineMs);
    this.routes = new Routes(db, live, runtimes, logger);
    this.predictions = new PredictService({
      routes: this.routes,
      runtimes,
      recorder: this.traffic,
      mirror: this.mirror,
      deadlineMs,
    });
    this.remote = new RemoteModels(db, runtimes, logger);
    this.activator = new DeploymentActivator(db, live, deployments, runtimes, logger);
  }

  /** The language models; null without a server of them. */
  get texts(): TextModels | null {
    return this.runtimes.texts;
  }

  /** What was lost because of full buffers since the start of this process. */
  dropped(): { prediction_log: number; shadow_copy: number; counted_minute: number } {
    return {
      prediction_log: this.traffic.log.dropped,
      shadow_copy: this.mirror.dropped,
      counted_minute: this.traffic.counters.droppedMinutes,
    };
  }

  /** What servers have counted for the deployments on them. One that does not answer is left out. */
  async serverStatistics(): Promise<DeploymentServerStatistics[]> {
    const found = await Promise.all(
      this.runtimes.remote.map(async ({ name }) => {
        const counted = await this.runtimes.statistics(name).catch(() => null);
        if (!counted || counted.size === 0) return [];
        const deployed = await this.options.db.asSystem((em) => deployedOn(em, name));
        return deployed.flatMap(({ id, versionId }) => {
          const statistics = counted.get(versionId);
          return statistics ? [{ runtime: name.toLowerCase(), deploymentId: id, ...statistics }] : [];
        });
      }),
    );
    return found.flat();
  }

  /** Call in processes that serve the API. */
  start(): void {
    this.activator.start();
    this.remote.start();
    this.traffic.start();
    this.unloading = setInterval(() => void this.unloadIdle(), UNLOAD_INTERVAL_MS);
  }

  private async unloadIdle(): Promise<void> {
    const { db, logger } = this.options;
    try {
      await this.runtimes.unloadIdle(async () => {
        const deployed = await db.asSystem((em) => deployedOn(em, 'ONNX'));
        return new Set(deployed.map(({ versionId, scaling }) => servedId(versionId, scaling)));
      });
    } catch (error) {
      logger.warn({ err: error }, 'idle models not unloaded this time');
    }
  }

  /** Call after the last request: writes what was counted and logged. */
  async stop(): Promise<void> {
    if (this.unloading) clearInterval(this.unloading);
    for (const { engine } of this.runtimes.remote) engine.abandonLoads();
    await this.activator.stop();
    await this.remote.stop();
    await this.mirror.stop();
    await this.traffic.stop();
    this.routes.close();
    await this.runtimes.close();
  }
}
