import { BatchInferencePart } from '../../db/entities/serving/batch-inference-part.entity.js';
import { DeploymentMinute } from '../../db/entities/serving/deployment-minute.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { PredictionLog } from '../../db/entities/serving/prediction-log.entity.js';
import { defineModule } from '../../define-module.js';
import { batchInferenceJob } from '../../jobs/serving/batch-inference.job.js';
import { batchInferenceOutcome } from '../../resolvers/serving/batch-inference-outcome.js';
import { predictOperation } from '../../protocols/rest/serving/predict.js';
import { BatchInferenceResolver } from '../../resolvers/serving/batch-inference.resolver.js';
import { DeploymentResolver } from '../../resolvers/serving/deployment.resolver.js';
import { SlaResolver } from '../../resolvers/serving/sla.resolver.js';
import { EndpointResolver } from '../../resolvers/serving/endpoint.resolver.js';
import { PredictResolver } from '../../resolvers/serving/predict.resolver.js';
import { RuntimeResolver } from '../../resolvers/serving/runtime.resolver.js';
import {
  SERVING_LINEAGE,
  SERVING_EVENTS,
  BatchInferenceService,
  DeploymentRows,
  DeploymentService,
  EndpointService,
  LoggedPredictionService,
  ModelRepositoryService,
  RolloutService,
  Runtimes,
  Serving,
  ShadowService,
  TextModels,
  VersionFollowing,
  cloneOfBatchInference,
  createServingLoaders,
  nameOfModel,
  readEnsemble,
  type PredictService,
  type TrafficRecorder,
  retentionOfTraffic,
} from './index.js';

interface ServingServices {
  batchInference: BatchInferenceService;
  deployments: DeploymentService;
  endpoints: EndpointService;
  loggedPredictions: LoggedPredictionService;
  modelRepository: ModelRepositoryService;
  predictions: PredictService;
  rollouts: RolloutService;
  runtimes: Runtimes;
  serving: Serving;
  shadows: ShadowService;
  traffic: TrafficRecorder;
}

type ServingLoaders = ReturnType<typeof createServingLoaders>;

declare module '../../services.js' {
  interface Services extends ServingServices {}
}
declare module '../../loaders.js' {
  interface Loaders extends ServingLoaders {}
}

const MINUTE_MS = 60_000;

export default defineModule({
  name: 'serving',
  events: SERVING_EVENTS,
  lineage: SERVING_LINEAGE,
  entities: [Endpoint, Deployment, PredictionLog, DeploymentMinute, BatchInferencePart],
  createServices: ({
    db,
    live,
    objects,
    files,
    engines,
    textEngine,
    batchPredictors: predictors,
    metrics,
    logger,
    config,
    services,
  }): ServingServices => {
    const { jobs, staged, aliases, artifacts, datasets, gates, retention, waiting, versionFollowers } = services;
    retention.add(retentionOfTraffic(config.TRAFFIC_LOG_DAYS));
    const texts = textEngine && new TextModels(textEngine, config.VLLM_ADAPTER_DIR);
    const nameOf = (id: string) => db.asSystem((em) => nameOfModel(em, id));
    const runtimes = new Runtimes(engines, objects, logger, nameOf, texts, {
      read: (tenant, versionId, memberIds) => db.asSystem((em) => readEnsemble({ em, tenant }, versionId, memberIds)),
      observe: (versionId, errorCode) => metrics.observeMember(versionId, errorCode),
    });
    const rows = new DeploymentRows(live);
    const following = new VersionFollowing(rows);
    versionFollowers.add(following);
    const deployments = new DeploymentService(rows, runtimes);
    const endpoints = new EndpointService(rows, following);
    const serving = new Serving({
      db,
      live,
      logger,
      deployments,
      runtimes,
      predictDeadlineMs: config.PREDICT_DEADLINE_MS,
      observe: metrics,
    });
    const { predictions, traffic } = serving;
    const rollouts = new RolloutService(db, waiting, endpoints, deployments);
    const batchInference = new BatchInferenceService({
      db,
      live,
      objects,
      staged,
      aliases,
      artifacts,
      datasets,
      jobs,
      scheduler: services.scheduler,
      files,
      models: runtimes.background,
      predictors,
    });
    services.jobCloner.add(cloneOfBatchInference(batchInference, jobs));
    return {
      batchInference,
      deployments,
      endpoints,
      loggedPredictions: new LoggedPredictionService(db, traffic),
      predictions,
      modelRepository: new ModelRepositoryService(db, endpoints, deployments, rollouts, predictions),
      rollouts,
      runtimes,
      serving,
      shadows: new ShadowService(live, deployments, gates),
      traffic,
    };
  },
  createLoaders: createServingLoaders,
  resolvers: [
    BatchInferenceResolver,
    DeploymentResolver,
    EndpointResolver,
    PredictResolver,
    RuntimeResolver,
    SlaResolver,
  ],
  jobs: [batchInferenceJob],
  jobOutcomes: [batchInferenceOutcome],
  createTicks: ({ services: { batchInference } }) => [
    { name: 'sweep-batch-inference', intervalMs: MINUTE_MS, run: () => batchInference.sweep() },
  ],
  createBackgroundWork: ({ services: { serving } }) => [
    { in: 'api', start: () => serving.start() },
    // Also in worker processes, because jobs use the models too.
    { in: 'all', close: () => serving.stop() },
  ],
  restOperations: [predictOperation],
});
