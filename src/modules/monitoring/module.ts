import { MonitoringCursor } from '../../db/entities/monitoring/monitoring-cursor.entity.js';
import { MonitoringWindow } from '../../db/entities/monitoring/monitoring-window.entity.js';
import { GroundTruth } from '../../db/entities/monitoring/ground-truth.entity.js';
import { RetrainingPolicy } from '../../db/entities/monitoring/retraining-policy.entity.js';
import { defineModule } from '../../define-module.js';
import { groundTruthOperation, readPredictionOperation } from '../../protocols/rest/monitoring/ground-truth.js';
import { GroundTruthResolver } from '../../resolvers/monitoring/ground-truth.resolver.js';
import { MonitoringResolver } from '../../resolvers/monitoring/monitoring.resolver.js';
import { ModelRetrainingResolver, RetrainingResolver } from '../../resolvers/monitoring/retraining.resolver.js';
import {
  MONITORING_EVENTS,
  GroundTruthService,
  MonitoringService,
  RetrainingPolicyService,
  RetrainingService,
  createMonitoringLoaders,
} from './index.js';

interface MonitoringServices {
  groundTruth: GroundTruthService;
  monitoring: MonitoringService;
  retraining: RetrainingService;
  retrainingPolicies: RetrainingPolicyService;
}

type MonitoringLoaders = ReturnType<typeof createMonitoringLoaders>;

declare module '../../services.js' {
  interface Services extends MonitoringServices {}
}
declare module '../../loaders.js' {
  interface Loaders extends MonitoringLoaders {}
}

const MINUTE_MS = 60_000;

export default defineModule({
  name: 'monitoring',
  events: MONITORING_EVENTS,
  entities: [MonitoringWindow, GroundTruth, RetrainingPolicy, MonitoringCursor],
  createServices: ({ db, live, logger, config, services }): MonitoringServices => {
    const { alerts, traffic, trainings, datasets } = services;
    return {
      groundTruth: new GroundTruthService(db, traffic),
      monitoring: new MonitoringService(db, alerts, logger, config.MONITORING_MIN_ROWS),
      retraining: new RetrainingService(db, live, trainings, datasets, logger),
      retrainingPolicies: new RetrainingPolicyService(),
    };
  },
  createLoaders: createMonitoringLoaders,
  resolvers: [GroundTruthResolver, MonitoringResolver, ModelRetrainingResolver, RetrainingResolver],
  createTicks: ({ services: { monitoring, retraining }, config: { MONITORING_INTERVAL_MS: intervalMs } }) => [
    { name: 'monitoring', intervalMs, run: () => monitoring.tick() },
    { name: 'prune-monitoring', intervalMs: MINUTE_MS, run: () => monitoring.prune() },
    { name: 'retraining', intervalMs, run: () => retraining.tick() },
  ],
  restOperations: [groundTruthOperation, readPredictionOperation],
});
