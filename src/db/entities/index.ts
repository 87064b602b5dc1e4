import { Experiment } from './tracking/experiment.entity.js';
import { Upload } from './tracking/upload.entity.js';
import { Dataset } from './tracking/dataset.entity.js';
import { Run } from './tracking/run.entity.js';
import { RunDataset } from './tracking/run-dataset.entity.js';
import { Model } from './registry/model.entity.js';
import { ModelVersion } from './registry/model-version.entity.js';
import { StageTransition } from './registry/stage-transition.entity.js';
import { GateResult } from './registry/gate-result.entity.js';
import { Evaluation } from './registry/evaluation.entity.js';
import { Artifact } from './tracking/artifact.entity.js';
import { Endpoint } from './serving/endpoint.entity.js';
import { Deployment } from './serving/deployment.entity.js';
import { Job } from './platform/job.entity.js';
import { Checkpoint } from './training/checkpoint.entity.js';
import { PredictionLog } from './serving/prediction-log.entity.js';
import { MonitoringWindow } from './monitoring/monitoring-window.entity.js';
import { Alert } from './monitoring/alert.entity.js';
import { RetrainingPolicy } from './monitoring/retraining-policy.entity.js';
import { Event } from './platform/event.entity.js';
import { AuditLog } from './platform/audit-log.entity.js';

/** Every entity, for the ORM's discovery. */
export const entities = [
  Experiment,
  Upload,
  Dataset,
  Run,
  RunDataset,
  Model,
  ModelVersion,
  StageTransition,
  GateResult,
  Evaluation,
  Artifact,
  Endpoint,
  Deployment,
  Job,
  Checkpoint,
  PredictionLog,
  MonitoringWindow,
  Alert,
  RetrainingPolicy,
  Event,
  AuditLog,
];
