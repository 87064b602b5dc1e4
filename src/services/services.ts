import type { AlertService } from './monitoring/alert.service.js';
import type { ArtifactService } from './tracking/artifact.service.js';
import type { AuditLogService } from './platform/audit-log.service.js';
import type { DatasetService } from './tracking/dataset.service.js';
import type { EventService } from './platform/event.service.js';
import type { ExperimentService } from './tracking/experiment.service.js';
import type { JobService } from './platform/job.service.js';
import type { LiveFeeds } from './platform/live-feed.js';
import type { MonitoringService } from './monitoring/monitoring.service.js';
import type { RetrainingService } from './monitoring/retraining.service.js';
import type { RetrainingPolicyService } from './monitoring/retraining-policy.service.js';
import type { RunService } from './tracking/run.service.js';
import type { StagedObjects } from './platform/staged-objects.js';
import type { TrainingService } from './training/training.service.js';
import type { UploadService } from './tracking/upload.service.js';

/** Every use case, for resolvers, protocols and jobs. */
export interface Services {
  alerts: AlertService;
  artifacts: ArtifactService;
  auditLog: AuditLogService;
  datasets: DatasetService;
  events: EventService;
  experiments: ExperimentService;
  feeds: LiveFeeds;
  jobs: JobService;
  monitoring: MonitoringService;
  retraining: RetrainingService;
  retrainingPolicies: RetrainingPolicyService;
  runs: RunService;
  staged: StagedObjects;
  trainings: TrainingService;
  uploads: UploadService;
}
