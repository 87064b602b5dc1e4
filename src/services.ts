import type {
  RegistryTagService,
  CommentService,
  ApprovalService,
  AliasService,
  ModelService,
  ModelVersionService,
  GateService,
  ConversionService,
  SourcedVersionService,
  StageMoves,
  StageService,
  VersionStorage,
} from './modules/registry/index.js';
import type { AlertService } from './modules/alerts/index.js';
import type { ArtifactFolderService, ArtifactService, RunArchiveService } from './modules/artifacts/index.js';
import type {
  AccessTokenService,
  AuditLogService,
  EventService,
  RetentionService,
  LiveFeeds,
  WebhookDeliveryService,
  WebhookService,
  Waiting,
} from './modules/platform/index.js';
import type {
  BatchInferenceService,
  DeploymentService,
  EndpointService,
  LoggedPredictionService,
  PredictService,
  ShadowService,
  TrafficRecorder,
  RolloutService,
} from './modules/serving/index.js';
import type { DatasetService } from './modules/datasets/index.js';
import type { EvaluationService, ValidationService, ReleaseService } from './modules/evaluation/index.js';
import type {
  ExperimentService,
  RunDatasetService,
  RunLifecycleService,
  RunLogService,
  RunAnalysisService,
  RunComparisonService,
  RunSearchService,
  RunService,
} from './modules/experiments/index.js';
import type { JobService } from './modules/jobs/index.js';
import type { LoggedModelService } from './modules/logged-models/index.js';
import type {
  GroundTruthService,
  MonitoringService,
  RetrainingService,
  RetrainingPolicyService,
} from './modules/monitoring/index.js';
import type { GarbageService } from './modules/garbage/index.js';
import type {
  ArchiveExportService,
  ArchiveImportService,
  MirrorService,
  MlflowImportService,
} from './modules/exchange/index.js';
import type { LineageService } from './modules/lineage/index.js';
import type { StagedObjects, DirectUploads, UploadService } from './modules/uploads/index.js';
import type { TrainingService } from './modules/training/index.js';

/** Every use case, for resolvers, protocols and jobs. */

export interface Services {
  accessTokens: AccessTokenService;
  alerts: AlertService;
  aliases: AliasService;
  approvals: ApprovalService;
  comments: CommentService;
  registryTags: RegistryTagService;
  archiveExports: ArchiveExportService;
  archiveImports: ArchiveImportService;
  artifactFolders: ArtifactFolderService;
  artifacts: ArtifactService;
  auditLog: AuditLogService;
  batchInference: BatchInferenceService;
  datasets: DatasetService;
  deployments: DeploymentService;
  directUploads: DirectUploads;
  endpoints: EndpointService;
  evaluations: EvaluationService;
  events: EventService;
  experiments: ExperimentService;
  feeds: LiveFeeds;
  garbage: GarbageService;
  gates: GateService;
  groundTruth: GroundTruthService;
  jobs: JobService;
  loggedPredictions: LoggedPredictionService;
  loggedModels: LoggedModelService;
  mirror: MirrorService;
  mlflowImports: MlflowImportService;
  models: ModelService;
  modelVersions: ModelVersionService;
  monitoring: MonitoringService;
  predictions: PredictService;
  retention: RetentionService;
  retraining: RetrainingService;
  retrainingPolicies: RetrainingPolicyService;
  runArchive: RunArchiveService;
  runDatasets: RunDatasetService;
  runLifecycle: RunLifecycleService;
  runLogs: RunLogService;
  lineage: LineageService;
  runAnalyses: RunAnalysisService;
  runComparisons: RunComparisonService;
  runs: RunService;
  runSearch: RunSearchService;
  shadows: ShadowService;
  conversions: ConversionService;
  sourcedVersions: SourcedVersionService;
  staged: StagedObjects;
  stageMoves: StageMoves;
  stages: StageService;
  traffic: TrafficRecorder;
  trainings: TrainingService;
  uploads: UploadService;
  validations: ValidationService;
  versionStorage: VersionStorage;
  webhookDeliveries: WebhookDeliveryService;
  webhooks: WebhookService;
  releases: ReleaseService;
  rollouts: RolloutService;
  waiting: Waiting;
}
