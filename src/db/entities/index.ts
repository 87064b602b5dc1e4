import { Experiment } from './experiments/experiment.entity.js';
import { DirectUpload } from './uploads/direct-upload.entity.js';
import { Upload } from './uploads/upload.entity.js';
import { Dataset } from './datasets/dataset.entity.js';
import { Run } from './experiments/run.entity.js';
import { RunDataset } from './experiments/run-dataset.entity.js';
import { LoggedDataset } from './experiments/logged-dataset.entity.js';
import { LoggedModel } from './logged-models/logged-model.entity.js';
import { RunModel } from './logged-models/run-model.entity.js';
import { Model } from './registry/model.entity.js';
import { ModelVersion } from './registry/model-version.entity.js';
import { ModelAlias } from './registry/model-alias.entity.js';
import { Approval } from './registry/approval.entity.js';
import { ModelComment } from './registry/model-comment.entity.js';
import { Webhook } from './platform/webhook.entity.js';
import { WebhookDelivery } from './platform/webhook-delivery.entity.js';
import { StageTransition } from './registry/stage-transition.entity.js';
import { GateResult } from './registry/gate-result.entity.js';
import { Evaluation } from './evaluation/evaluation.entity.js';
import { Artifact } from './artifacts/artifact.entity.js';
import { Endpoint } from './serving/endpoint.entity.js';
import { Deployment } from './serving/deployment.entity.js';
import { Job } from './jobs/job.entity.js';
import { Checkpoint } from './training/checkpoint.entity.js';
import { PredictionLog } from './serving/prediction-log.entity.js';
import { MonitoringWindow } from './monitoring/monitoring-window.entity.js';
import { GroundTruth } from './monitoring/ground-truth.entity.js';
import { Alert } from './alerts/alert.entity.js';
import { RetrainingPolicy } from './monitoring/retraining-policy.entity.js';
import { ExternalRef } from './platform/external-ref.entity.js';
import { Event } from './platform/event.entity.js';
import { AccessToken } from './platform/access-token.entity.js';
import { AuditLog } from './platform/audit-log.entity.js';
import { RunParam, RunTag } from './experiments/run-pair.entity.js';
import { RunCounter } from './experiments/run-counter.entity.js';
import { MetricPoint } from './experiments/metric-point.entity.js';
import { MetricLatest } from './experiments/metric-latest.entity.js';
import { MetricSummary, MetricBlock } from './experiments/metric-block.entity.js';
import { RunLog } from './experiments/run-log.entity.js';
import { LoggedModelMetric } from './logged-models/logged-model-metric.entity.js';
import { JobEvent } from './jobs/job-event.entity.js';
import { JobSecret } from './jobs/job-secret.entity.js';
import { DeploymentMinute } from './serving/deployment-minute.entity.js';
import { MonitoringCursor } from './monitoring/monitoring-cursor.entity.js';
import { StagedObject } from './uploads/staged-object.entity.js';
import { SmallObject } from './uploads/small-object.entity.js';
import { LogFloor } from './platform/log-floor.entity.js';
import { SigningKey } from './platform/signing-key.entity.js';
import { MirrorTask } from './exchange/mirror-task.entity.js';

/** Every entity, for the ORM's discovery. */
export const entities = [
  Experiment,
  DirectUpload,
  Upload,
  Dataset,
  Run,
  RunDataset,
  LoggedDataset,
  LoggedModel,
  RunModel,
  Model,
  ModelVersion,
  ModelAlias,
  Approval,
  ModelComment,
  Webhook,
  WebhookDelivery,
  StageTransition,
  GateResult,
  Evaluation,
  Artifact,
  Endpoint,
  Deployment,
  Job,
  Checkpoint,
  PredictionLog,
  GroundTruth,
  MonitoringWindow,
  Alert,
  RetrainingPolicy,
  Event,
  AccessToken,
  AuditLog,
  ExternalRef,
  RunParam,
  RunTag,
  RunCounter,
  MetricPoint,
  MetricLatest,
  MetricSummary,
  MetricBlock,
  RunLog,
  LoggedModelMetric,
  JobEvent,
  JobSecret,
  DeploymentMinute,
  MonitoringCursor,
  StagedObject,
  SmallObject,
  LogFloor,
  SigningKey,
  MirrorTask,
];
