import { MonitoringCursor } from '../../db/entities/monitoring/monitoring-cursor.entity.js';
import { MonitoringWindow } from '../../db/entities/monitoring/monitoring-window.entity.js';
import { RequestLogFile } from '../../db/entities/monitoring/request-log-file.entity.js';
import { GroundTruth } from '../../db/entities/monitoring/ground-truth.entity.js';
import { RetrainingPolicy } from '../../db/entities/monitoring/retraining-policy.entity.js';
import { defineModule } from '../../define-module.js';
import { groundTruthImportJob } from '../../jobs/monitoring/ground-truth-import.job.js';
import { logDatasetJob } from '../../jobs/monitoring/log-dataset.job.js';
import { groundTruthOperation, readPredictionOperation } from '../../protocols/rest/monitoring/ground-truth.js';
import { groundTruthImportOutcome } from '../../resolvers/monitoring/ground-truth-import-outcome.js';
import { GroundTruthResolver } from '../../resolvers/monitoring/ground-truth.resolver.js';
import { logDatasetOutcome } from '../../resolvers/monitoring/log-dataset-outcome.js';
import { LogDatasetResolver } from '../../resolvers/monitoring/log-dataset.resolver.js';
import { RequestLogResolver } from '../../resolvers/monitoring/request-log.resolver.js';
import { MonitoringResolver } from '../../resolvers/monitoring/monitoring.resolver.js';
import { ModelRetrainingResolver, RetrainingResolver } from '../../resolvers/monitoring/retraining.resolver.js';
import {
  MONITORING_EVENTS,
  GroundTruthImportService,
  GroundTruthService,
  LogArchiveService,
  LogDatasetService,
  MonitoringService,
  RetrainingPolicyService,
  RetrainingService,
  createMonitoringLoaders,
} from './index.js';

interface MonitoringServices {
  groundTruth: GroundTruthService;
  groundTruthImports: GroundTruthImportService;
  logArchive: LogArchiveService;
  logDatasets: LogDatasetService;
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
  entities: [MonitoringWindow, GroundTruth, RequestLogFile, RetrainingPolicy, MonitoringCursor],
  createServices: ({ db, live, objects, files, logger, config, services }): MonitoringServices => {
    const { alerts, keyCounter, traffic, trainings, datasets, jobs, staged } = services;
    const groundTruth = new GroundTruthService(db, traffic, keyCounter);
    return {
      groundTruth,
      groundTruthImports: new GroundTruthImportService({ groundTruth, jobs, datasets, files }),
      logArchive: new LogArchiveService({ db, objects, staged, files, logger }),
      logDatasets: new LogDatasetService({ jobs, datasets, files }),
      monitoring: new MonitoringService(db, alerts, logger, config.MONITORING_MIN_ROWS),
      retraining: new RetrainingService(db, live, trainings, datasets, logger),
      retrainingPolicies: new RetrainingPolicyService(),
    };
  },
  createLoaders: createMonitoringLoaders,
  resolvers: [
    GroundTruthResolver,
    LogDatasetResolver,
    MonitoringResolver,
    ModelRetrainingResolver,
    RequestLogResolver,
    RetrainingResolver,
  ],
  jobs: [groundTruthImportJob, logDatasetJob],
  jobOutcomes: [groundTruthImportOutcome, logDatasetOutcome],
  createTicks: ({
    services: { logArchive, monitoring, retraining },
    config: { MONITORING_INTERVAL_MS: intervalMs },
  }) => [
    { name: 'monitoring', intervalMs, run: () => monitoring.tick() },
    { name: 'prune-monitoring', intervalMs: MINUTE_MS, run: () => monitoring.prune() },
    { name: 'archive-log', intervalMs, run: () => logArchive.archive() },
    { name: 'prune-log-archive', intervalMs: MINUTE_MS, run: () => logArchive.prune() },
    { name: 'retraining', intervalMs, run: () => retraining.tick() },
  ],
  createBackgroundWork: ({ services: { logArchive } }) => [{ in: 'worker', stop: () => logArchive.stop() }],
  restOperations: [groundTruthOperation, readPredictionOperation],
});
