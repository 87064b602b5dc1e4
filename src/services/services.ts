import type { AlertService } from './monitoring/alert.service.js';
import type { ArtifactService } from './tracking/artifact.service.js';
import type { AuditLogService } from './platform/audit-log.service.js';
import type { BatchInferenceService } from './serving/batch-inference.service.js';
import type { DatasetService } from './tracking/dataset.service.js';
import type { DeploymentService } from './serving/deployment.service.js';
import type { EndpointService } from './serving/endpoint.service.js';
import type { EventService } from './platform/event.service.js';
import type { ExperimentService } from './tracking/experiment.service.js';
import type { JobService } from './platform/job.service.js';
import type { LiveFeeds } from './platform/live-feed.js';
import type { MonitoringService } from './monitoring/monitoring.service.js';
import type { PredictService } from './serving/predict.service.js';
import type { RetrainingService } from './monitoring/retraining.service.js';
import type { RetrainingPolicyService } from './monitoring/retraining-policy.service.js';
import type { RunService } from './tracking/run.service.js';
import type { ShadowService } from './serving/shadow.service.js';
import type { StagedObjects } from './platform/staged-objects.js';
import type { TrafficRecorder } from './serving/traffic-recorder.js';
import type { TrainingService } from './training/training.service.js';
import type { UploadService } from './tracking/upload.service.js';

/** Every use case, for resolvers, protocols and jobs. */
export interface Services {
  alerts: AlertService;
  artifacts: ArtifactService;
  auditLog: AuditLogService;
  batchInference: BatchInferenceService;
  datasets: DatasetService;
  deployments: DeploymentService;
  endpoints: EndpointService;
  events: EventService;
  experiments: ExperimentService;
  feeds: LiveFeeds;
  jobs: JobService;
  monitoring: MonitoringService;
  predictions: PredictService;
  retraining: RetrainingService;
  retrainingPolicies: RetrainingPolicyService;
  runs: RunService;
  shadows: ShadowService;
  staged: StagedObjects;
  traffic: TrafficRecorder;
  trainings: TrainingService;
  uploads: UploadService;
}
