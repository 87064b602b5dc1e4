// One file because it is one world: an object of every type, created in the order in which they need each other.
import { randomUUID } from 'node:crypto';
import { Role } from '../../src/modules/core/rules/principal.js';
import { MlflowCaller } from './mlflow.js';
import { zipOf } from './scripts.js';
import type { Caller, TestService } from './service.js';
import type { TrafficWriter } from './traffic.js';
import { CARS_CONFIG, createExperiment, registerDataset, startTraining, trainingEnd, vegaPath } from './training.js';
import { CreateUploadDocument, StartTuningDocument } from '../../schema/generated/operations.js';
import {
  AskTrialDocument,
  CancelTuningDocument,
  CreateStudyDocument,
  TellTrialDocument,
  CancelJobDetailsDocument,
  EventsDetailsDocument,
  JobsDetailsDocument,
  ModelVersionDetailsDocument,
  WorldCancelJobDocument,
  WorldPauseJobDocument,
  WorldCollectGarbageDocument,
  WorldCreateEndpointDocument,
  WorldCreateModelCommentDocument,
  WorldCreateModelDocument,
  WorldCreateRunDocument,
  WorldCreateScheduleDocument,
  WorldPauseScheduleDocument,
  WorldPlanAbTestDocument,
  WorldCreateWebhookDocument,
  WorldDeleteExperimentDocument,
  WorldDeleteRunDocument,
  WorldDeployModelVersionDocument,
  WorldDeploymentStatusDocument,
  WorldEvaluateModelVersionDocument,
  WorldFinishRunDocument,
  WorldFirstVersionDocument,
  WorldIssueAccessTokenDocument,
  WorldJobStatusDocument,
  WorldModelVersionStatusDocument,
  WorldPredictDocument,
  WorldPromoteModelVersionDocument,
  WorldRegisterModelVersionDocument,
  WorldRunMonitoringDocument,
  WorldSetExperimentTagsDocument,
  WorldSetGatePolicyDocument,
  WorldSetModelAliasDocument,
  WorldSetModelTagsDocument,
  WorldSetModelVersionTagsDocument,
  WorldSetRetrainingPolicyDocument,
  WorldStartBatchInferenceDocument,
  WorldTestWebhookDocument,
  WorldWebhookDeliveryStatusDocument,
  CanaryDetailsDocument,
  PauseCanaryDetailsDocument,
  StartCanaryDetailsDocument,
  type StartCanaryDetailsMutation,
  type StartCanaryInput,
} from '../generated/operations.js';

const QUICK_CONFIG = {
  ...CARS_CONFIG,
  hyperparameters: { epochs: 1, batchSize: 64, learningRate: 0.01, hiddenLayers: [4] },
};
const RATES = {
  space: { parameters: [{ name: 'learningRate', kind: 'FLOAT' as const, low: 0.001, high: 0.1 }] },
  objectives: [{ metric: 'validation.rmse', direction: 'MINIMIZE' as const }],
};
const OVERRIDE = { override: true, reason: 'needed by a test' };
const CAR = { Horsepower: 130, Weight_in_lbs: 3504, Origin: 'USA', Year: '1970-01-01T00:00:00.000Z' };

const CANARY = {
  steps: [{ weightBps: 1_000, bakeSeconds: 3_600 }],
  guards: [{ kind: 'ERROR_RATE' as const }],
};

/** The objects of every type that a tenant has from the start. */
interface Things {
  experimentId: string;
  datasetId: string;
  /** A finished training and its run. */
  jobId: string;
  runId: string;
  modelId: string;
  /** A version in PRODUCTION. */
  versionId: string;
  endpointId: string;
  deploymentId: string;
  evaluationId: string;
  batchJobId: string;
  alertId: string;
  eventId: string;
  webhookId: string;
  webhookDeliveryId: string;
  /** A tuning that has ended. */
  tuningId: string;
  /** A study of an outside trainer, with a complete, a failed and a running trial. */
  studyId: string;
  trialId: string;
  scheduleId: string;
  /** A canary whose model is being loaded, or is loaded. */
  canaryId: string;
}

/**
 * One tenant with an object of every type, all created through the public API; only slow traffic is written directly.
 */
export class World {
  things!: Things;

  private constructor(
    readonly caller: Caller,
    private readonly traffic: TrafficWriter,
  ) {}

  static async create(service: TestService, traffic: TrafficWriter, tenant: string): Promise<World> {
    const world = new World(await service.as({ tenant, role: Role.ADMIN, subject: `owner-of-${tenant}` }), traffic);
    const { caller } = world;
    const experimentId = await createExperiment(caller);
    const datasetId = await registerDataset(caller, { name: 'cars', path: vegaPath('cars.json') });
    const { jobId, runId } = await startTraining(caller, { experimentId, datasetId, config: QUICK_CONFIG });
    await trainingEnd(caller, jobId);
    const tuningId = await world.newTuning(experimentId, datasetId);
    const modelId = await world.newModel();
    const versionId = await world.newVersion(modelId, runId);
    await world.promote(versionId, null);
    const endpointId = await world.newEndpoint(modelId);
    const deploymentId = await world.newDeployment(endpointId, versionId);
    const { evaluateModelVersion } = await caller.ok(WorldEvaluateModelVersionDocument, {
      input: { modelVersionId: versionId },
    });
    await world.reach('job', evaluateModelVersion.job.id, 'SUCCEEDED');
    const { modelVersion } = await caller.ok(ModelVersionDetailsDocument, { id: versionId });
    const { startBatchInference } = await caller.ok(WorldStartBatchInferenceDocument, {
      input: { modelVersionId: versionId, datasetId },
    });
    const batchJobId = startBatchInference.job.id;
    const evaluationId = modelVersion.evaluations[0]!.id;
    const { events } = await caller.ok(EventsDetailsDocument, { first: 1 });
    world.things = {
      experimentId,
      datasetId,
      jobId,
      runId,
      modelId,
      versionId,
      endpointId,
      deploymentId,
      evaluationId,
      batchJobId,
      alertId: '',
      ...(await world.newDeliveredWebhook()),
      ...{ tuningId, studyId: '', trialId: '', scheduleId: '', canaryId: '' },
      eventId: events.nodes[0]!.id,
    };
    world.things.alertId = await world.newAlert(deploymentId);
    Object.assign(world.things, await world.newStudy());
    world.things.scheduleId = await world.newSchedule();
    world.things.canaryId = await world.newCanary();
    return world;
  }

  /** Ends what still runs, so that the service can close. */
  async close(): Promise<void> {
    const { jobs } = await this.caller.ok(JobsDetailsDocument, {
      first: 500,
      filter: { status: ['QUEUED', 'RUNNING'] },
    });
    for (const { id } of jobs.nodes) await this.caller.send(CancelJobDetailsDocument, { input: { jobId: id } });
  }

  newExperiment(): Promise<string> {
    return createExperiment(this.caller);
  }

  async newRun(...labels: string[]): Promise<string> {
    const { createRun } = await this.caller.ok(WorldCreateRunDocument, {
      input: { experimentId: this.things.experimentId, tags: labels.map((key) => ({ key, value: key })) },
    });
    return createRun.run.id;
  }

  /** The id of a request that was answered and logged. */
  async newPrediction(endpointId: string): Promise<string> {
    const { predict } = await this.caller.ok(WorldPredictDocument, { input: { endpointId, rows: [CAR] } });
    return predict.requestId;
  }

  async newAccessToken(): Promise<string> {
    const { issueAccessToken } = await this.caller.ok(WorldIssueAccessTokenDocument, {
      input: { name: 'made', role: 'VIEWER' },
    });
    return issueAccessToken.accessToken.id;
  }

  async newUpload(): Promise<string> {
    return (await this.caller.upload('table.csv', 'a,b\n1,2\n')).uploadId;
  }

  /** The zip of a script. */
  async newCode(): Promise<string> {
    return (await this.caller.upload('code.zip', zipOf({ 'main.py': '' }))).uploadId;
  }

  /** A model as the MLflow client logs one; GraphQL cannot. */
  async newLoggedModel(): Promise<string> {
    const { url, token } = this.caller;
    const experiment = this.things.experimentId.replaceAll('-', '');
    const send = (method: string, path: string, type: string, body: string) =>
      fetch(`${url}/api/2.0/${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': type },
        body,
      });
    const made = await send(
      'POST',
      'mlflow/logged-models',
      'application/json',
      JSON.stringify({ experiment_id: experiment, name: 'logged' }),
    );
    const { model } = (await made.json()) as { model: { info: { model_id: string } } };
    const { model_id: id } = model.info;
    await send(
      'PUT',
      `mlflow-artifacts/artifacts/${experiment}/models/${id}/artifacts/MLmodel`,
      'text/plain',
      'flavors:\n  sklearn: {}\n',
    );
    return id.replace(/^m-(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }

  /** An upload that has all its parts. */
  async sentUpload(): Promise<string> {
    const { createUpload } = await this.caller.ok(CreateUploadDocument, {
      input: { fileName: 'table.csv', sizeBytes: 8 },
    });
    await fetch(new URL(createUpload.parts[0]!.url, this.caller.url), { method: 'PUT', body: 'a,b\n1,2\n' });
    return createUpload.uploadId;
  }

  /** A training that does not end during a test. */
  async newTraining(): Promise<string> {
    const config = {
      ...QUICK_CONFIG,
      hyperparameters: { ...QUICK_CONFIG.hyperparameters, epochs: 10_000 },
      checkpointEveryEpochs: 10_000,
    };
    const { experimentId, datasetId } = this.things;
    return (await startTraining(this.caller, { experimentId, datasetId, config })).jobId;
  }

  /** Waits behind another training, because a worker runs one at a time. */
  async queuedTraining(): Promise<string> {
    await this.newTraining();
    return this.newTraining();
  }

  async pausedTraining(): Promise<string> {
    const jobId = await this.queuedTraining();
    await this.caller.ok(WorldPauseJobDocument, { input: { jobId } });
    return jobId;
  }

  /** A study of an outside trainer, with a complete, a failed and a running trial. */
  async newStudy(): Promise<{ studyId: string; trialId: string }> {
    const { createStudy } = await this.caller.ok(CreateStudyDocument, {
      input: {
        ...{ experimentId: this.things.experimentId, name: 'outside', stop: { maxTrials: 10 } },
        ...RATES,
      },
    });
    const studyId = createStudy.study.id;
    const ask = async () => (await this.caller.ok(AskTrialDocument, { studyId })).askTrial.trial!.id;
    await this.caller.ok(TellTrialDocument, { input: { trialId: await ask(), values: [1] } });
    await this.caller.ok(TellTrialDocument, { input: { trialId: await ask(), outcome: 'FAILED' } });
    return { studyId, trialId: await ask() };
  }

  /** A tuning of one training, which has ended: later, trainings without end would keep it waiting. */
  private async newTuning(experimentId: string, datasetId: string): Promise<string> {
    const { startTuning } = await this.caller.ok(StartTuningDocument, {
      input: { experimentId, datasetId, name: 'one', config: QUICK_CONFIG, stop: { maxTrials: 1 }, ...RATES },
    });
    await this.reach('job', startTuning.job.id, 'SUCCEEDED');
    return startTuning.study.id;
  }

  async cancelledStudy(): Promise<string> {
    const { studyId } = await this.newStudy();
    await this.caller.ok(CancelTuningDocument, { studyId });
    return studyId;
  }

  async cancelledTraining(): Promise<string> {
    const jobId = await this.newTraining();
    await this.caller.ok(WorldCancelJobDocument, { input: { jobId } });
    return jobId;
  }

  /** A collection that was cancelled before a worker had finished it. */
  async cancelledCollection(): Promise<string> {
    for (;;) {
      const { collectGarbage } = await this.caller.ok(WorldCollectGarbageDocument, { input: {} });
      const jobId = collectGarbage.job.id;
      const { errors } = await this.caller.send(CancelJobDetailsDocument, { input: { jobId } });
      if (!errors) return jobId;
    }
  }

  async newModel(): Promise<string> {
    const { createModel } = await this.caller.ok(WorldCreateModelDocument, {
      input: { name: `m-${randomUUID()}`, task: 'REGRESSION', modelType: 'MLP_REGRESSOR' },
    });
    return createModel.model.id;
  }

  async newVersion(modelId = this.things.modelId, runId = this.things.runId): Promise<string> {
    const { registerModelVersion } = await this.caller.ok(WorldRegisterModelVersionDocument, {
      input: { modelId, runId },
    });
    const { id } = registerModelVersion.modelVersion;
    await this.reach('modelVersion', id, 'READY');
    return id;
  }

  /** To PRODUCTION in two steps, without the gates. */
  async promote(modelVersionId: string, expectedProductionVersionId: string | null): Promise<void> {
    await this.stage(modelVersionId);
    const input = { modelVersionId, toStage: 'PRODUCTION' as const, expectedProductionVersionId, ...OVERRIDE };
    await this.caller.ok(WorldPromoteModelVersionDocument, { input });
  }

  async stage(modelVersionId: string): Promise<void> {
    await this.caller.ok(WorldPromoteModelVersionDocument, {
      input: { modelVersionId, toStage: 'STAGING', ...OVERRIDE },
    });
  }

  /** A model whose second version has replaced its first in production. */
  async modelWithPast(): Promise<{ modelId: string; versionId: string }> {
    const modelId = await this.newModel();
    const first = await this.newVersion(modelId);
    await this.promote(first, null);
    const versionId = await this.newVersion(modelId);
    await this.promote(versionId, first);
    return { modelId, versionId };
  }

  async newEndpoint(modelId = this.things.modelId): Promise<string> {
    const { createEndpoint } = await this.caller.ok(WorldCreateEndpointDocument, {
      input: { name: `e-${randomUUID()}`, modelId },
    });
    return createEndpoint.endpoint.id;
  }

  async newDeployment(
    endpointId: string,
    modelVersionId = this.things.versionId,
    mode: 'LIVE' | 'SHADOW' = 'LIVE',
  ): Promise<string> {
    const input = { endpointId, modelVersionId, mode };
    const { deployModelVersion } = await this.caller.ok(WorldDeployModelVersionDocument, { input });
    const { id } = deployModelVersion.deployment;
    await this.reach('deployment', id, 'READY');
    return id;
  }

  /** An alert about slow answers. */
  async newAlert(deploymentId?: string): Promise<string> {
    const id = deploymentId ?? (await this.newDeployment(await this.newEndpoint()));
    const [row] = await this.traffic.query<{ tenant: string }>('select tenant from deployment where id = $1', [id]);
    await this.traffic.count({ tenant: row!.tenant, deploymentId: id }, { requests: 60, latencyMs: 900 });
    const { runMonitoring } = await this.caller.ok(WorldRunMonitoringDocument, { input: { deploymentId: id } });
    return runMonitoring.alerts[0]!.id;
  }

  async newWebhook(modelId?: string): Promise<string> {
    const input = {
      name: `w-${randomUUID()}`,
      url: 'https://hooks.example.com/models',
      eventTypes: ['MODEL_DEPLOYED' as const],
      modelId,
    };
    const made = await this.caller.ok(WorldCreateWebhookDocument, { input });
    return made.createWebhook.webhook.id;
  }

  /** A webhook with a message that reached no receiver: its address does not exist. */
  async newDeliveredWebhook(): Promise<{ webhookId: string; webhookDeliveryId: string }> {
    const webhookId = await this.newWebhook();
    const sent = await this.caller.ok(WorldTestWebhookDocument, { input: { id: webhookId } });
    const webhookDeliveryId = sent.testWebhook.delivery.id;
    await this.reach('webhookDelivery', webhookDeliveryId, 'FAILED');
    return { webhookId, webhookDeliveryId };
  }

  async setPolicy(modelId: string): Promise<void> {
    await this.caller.ok(WorldSetRetrainingPolicyDocument, { input: { modelId, datasetName: 'cars' } });
  }

  async newAlias(modelId: string, modelVersionId: string): Promise<string> {
    const alias = `a-${randomUUID()}`;
    await this.caller.ok(WorldSetModelAliasDocument, { input: { modelId, modelVersionId, alias } });
    return alias;
  }

  /** A version that its author may approve. */
  async newVersionForReview(): Promise<string> {
    const modelId = await this.newModel();
    const input = { modelId, policy: { authorMayApprove: true } };
    await this.caller.ok(WorldSetGatePolicyDocument, { input });
    return this.newVersion(modelId);
  }

  async tagModel(modelId: string): Promise<void> {
    await this.caller.ok(WorldSetModelTagsDocument, { input: { modelId, tags: [{ key: 't', value: 'v' }] } });
  }

  async tagVersion(modelVersionId: string): Promise<void> {
    await this.caller.ok(WorldSetModelVersionTagsDocument, {
      input: { modelVersionId, tags: [{ key: 't', value: 'v' }] },
    });
  }

  /** A version that was registered with files of another framework. */
  async newUnconverted(): Promise<string> {
    const hex = (id: string) => id.replaceAll('-', '');
    const runId = hex(await this.newRun());
    const mlflow = new MlflowCaller(this.caller.url, this.caller.token);
    const path = `/api/2.0/mlflow-artifacts/artifacts/${hex(this.things.experimentId)}/${runId}/artifacts/model/MLmodel`;
    const body = 'flavors: { sklearn: { pickled_model: model.pkl } }';
    await fetch(this.caller.url + path, {
      method: 'PUT',
      headers: { authorization: `Bearer ${this.caller.token}` },
      body,
    });
    const name = `m-${randomUUID()}`;
    await mlflow.post('registered-models/create', { name });
    await mlflow.post('model-versions/create', { name, source: `runs:/${runId}/model`, run_id: runId });
    const { models } = await this.caller.ok(WorldFirstVersionDocument, { name });
    return models.nodes[0]!.versions.nodes[0]!.id;
  }

  async newComment(modelId: string): Promise<string> {
    const { createModelComment } = await this.caller.ok(WorldCreateModelCommentDocument, {
      input: { modelId, body: 'seen' },
    });
    return createModelComment.comment.id;
  }

  async newCanary(): Promise<string> {
    return (await this.startCanary(CANARY)).id;
  }

  async runningCanary(): Promise<string> {
    const id = await this.newCanary();
    await this.reach('canary', id, 'RUNNING');
    return id;
  }

  async pausedCanary(): Promise<string> {
    const id = await this.runningCanary();
    await this.caller.ok(PauseCanaryDetailsDocument, { id });
    return id;
  }

  /** A canary whose step was passed by a guard that allows everything. */
  async waitingCanary(): Promise<string> {
    const { id, canaryDeployment, controlDeployment } = await this.startCanary({
      steps: [{ weightBps: 1_000, bakeSeconds: 1, approval: 'PERSON' }],
      guards: [{ kind: 'ERROR_RATE', maxIncrease: 1 }],
      minRequests: 1,
    });
    for (const { id: deploymentId } of [canaryDeployment!, controlDeployment!]) {
      const [row] = await this.traffic.query<{ tenant: string }>('select tenant from deployment where id = $1', [
        deploymentId,
      ]);
      await this.traffic.count({ tenant: row!.tenant, deploymentId }, { requests: 1 });
    }
    await this.reach('canary', id, 'WAITING_FOR_APPROVAL');
    return id;
  }

  private async startCanary(
    plan: Pick<StartCanaryInput, 'steps' | 'guards' | 'minRequests'>,
  ): Promise<StartCanaryDetailsMutation['startCanary']['canary']> {
    const endpointId = await this.newEndpoint();
    await this.newDeployment(endpointId);
    const { startCanary } = await this.caller.ok(StartCanaryDetailsDocument, {
      input: { endpointId, modelVersionId: await this.newVersion(), ...plan },
    });
    return startCanary.canary;
  }

  /** A schedule that starts no job before the next year. */
  async newSchedule(): Promise<string> {
    const { createSchedule } = await this.caller.ok(WorldCreateScheduleDocument, {
      input: { name: `s-${randomUUID()}`, jobId: this.things.jobId, cron: '0 0 1 1 *', timeZone: 'UTC' },
    });
    return createSchedule.schedule.id;
  }

  /** An endpoint with a version of the first model, and what an A/B test of it needs. */
  async abTestInput() {
    const { modelId, versionId } = this.things;
    const endpointId = await this.newEndpoint(modelId);
    const other = await this.newVersion(modelId, this.things.runId);
    const variants = [];
    for (const [i, version] of [versionId, other].entries()) {
      const deploymentId = await this.newDeployment(endpointId, version);
      await this.reach('deployment', deploymentId, 'READY');
      variants.push({ name: `v${i}`, deploymentId, weightBps: 5_000 });
    }
    const metrics = [{ name: 'm', role: 'PRIMARY' as const, source: 'OUTPUT' as const, wanted: 'INCREASE' as const }];
    return { name: `t-${randomUUID()}`, endpointId, variants, metrics, minimumEffect: 1 };
  }

  async newAbTest(): Promise<string> {
    const { planAbTest } = await this.caller.ok(WorldPlanAbTestDocument, { input: await this.abTestInput() });
    return planAbTest.abTest.id;
  }

  async pausedSchedule(): Promise<string> {
    const id = await this.newSchedule();
    await this.caller.ok(WorldPauseScheduleDocument, { input: { id } });
    return id;
  }

  private async reach(what: keyof typeof STATUS_OF, id: string, wanted: string): Promise<void> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const status = await STATUS_OF[what](this.caller, id);
      if (status === wanted) return;
      if (status === 'FAILED' || Date.now() > deadline) throw new Error(`The ${what} is ${status}, not ${wanted}.`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** How far a thing is that takes its time. */
const STATUS_OF = {
  job: async (caller: Caller, id: string) => (await caller.ok(WorldJobStatusDocument, { id })).job.status,
  modelVersion: async (caller: Caller, id: string) =>
    (await caller.ok(WorldModelVersionStatusDocument, { id })).modelVersion.status,
  deployment: async (caller: Caller, id: string) =>
    (await caller.ok(WorldDeploymentStatusDocument, { id })).deployment.status,
  canary: async (caller: Caller, id: string) => (await caller.ok(CanaryDetailsDocument, { id })).canary.status,
  webhookDelivery: async (caller: Caller, id: string) =>
    (await caller.ok(WorldWebhookDeliveryStatusDocument, { id })).webhookDelivery.status,
};

type Arguments = Record<string, unknown>;
type ArgumentsOf = (things: Things, world: World) => Arguments | Promise<Arguments>;

/** A filter of runs with an id at every place that takes one. */
function runFilter({ experimentId, datasetId, runId }: Things): Arguments {
  return { experimentIds: [experimentId], datasetIds: [datasetId], parentRunId: runId };
}

/**
 * Arguments of every root field that takes an id, with an id of the world at every such place; several when not all
 * places can be filled at once.
 */
export const READ_ARGUMENTS: Record<string, ArgumentsOf[]> = {
  accessToken: [async (_, world) => ({ id: await world.newAccessToken() })],
  alert: [({ alertId }) => ({ id: alertId })],
  alertEvents: [({ modelId }) => ({ modelId })],
  alerts: [({ modelId, endpointId, deploymentId }) => ({ filter: { modelId, endpointId, deploymentId } })],
  auditLog: [({ runId }) => ({ filter: { subjectId: runId } })],
  batchInferenceJob: [({ batchJobId }) => ({ id: batchJobId })],
  batchInferenceJobs: [
    ({ runId, versionId, datasetId }) => ({ filter: { runId, modelVersionId: versionId, datasetId } }),
  ],
  canary: [({ canaryId }) => ({ id: canaryId })],
  canaries: [({ endpointId, versionId }) => ({ filter: { endpointId, modelVersionId: versionId } })],
  canaryProgress: [({ canaryId }) => ({ id: canaryId })],
  chatStream: [({ endpointId }) => ({ input: { endpointId, messages: [{ role: 'user', content: 'x' }] } })],
  completeStream: [({ endpointId }) => ({ input: { endpointId, prompt: 'x' } })],
  compareRuns: [
    async ({ runId }, world) => ({ input: { runIds: [runId, await world.newRun()], baselineRunId: runId } }),
  ],
  dataset: [({ datasetId }) => ({ id: datasetId })],
  deployment: [({ deploymentId }) => ({ id: deploymentId })],
  deploymentEvents: [({ endpointId }) => ({ endpointId })],
  deployments: [({ endpointId, versionId }) => ({ filter: { endpointId, modelVersionId: versionId } })],
  endpoint: [({ endpointId }) => ({ id: endpointId })],
  endpoints: [({ modelId }) => ({ filter: { modelId } })],
  evaluation: [({ evaluationId }) => ({ id: evaluationId })],
  event: [({ eventId }) => ({ id: eventId })],
  events: [({ modelId, endpointId, alertId }) => ({ filter: { modelId, endpointId, subjectId: alertId } })],
  experiment: [({ experimentId }) => ({ id: experimentId })],
  job: [({ jobId }) => ({ id: jobId })],
  explainQueue: [({ jobId }) => ({ jobId })],
  tenantShare: [() => ({})],
  jobProgress: [({ jobId }) => ({ jobId })],
  jobs: [({ runId, datasetId, versionId }) => ({ filter: { runId, datasetId, modelVersionId: versionId } })],
  lifecycleEvents: [({ modelId, endpointId, alertId }) => ({ filter: { modelId, endpointId, subjectId: alertId } })],
  liveQuality: [({ endpointId, deploymentId }) => ({ endpointId, deploymentId })],
  lineage: [({ versionId }) => ({ input: { id: versionId, type: 'MODEL_VERSION' } })],
  loggedPrompts: [({ endpointId }) => ({ endpointId })],
  loggedModel: [async (_, world) => ({ id: await world.newLoggedModel() })],
  loggedModels: [({ experimentId, runId }) => ({ filter: { experimentIds: [experimentId], runId } })],
  model: [({ modelId }) => ({ id: modelId })],
  modelComments: [({ modelId }) => ({ modelId }), ({ versionId }) => ({ modelVersionId: versionId })],
  modelHistory: [({ modelId }) => ({ modelId })],
  modelVersion: [({ versionId }) => ({ id: versionId }), ({ modelId }) => ({ modelId, version: 1 })],
  modelVersionByAlias: [
    async ({ modelId, versionId }, world) => ({ modelId, alias: await world.newAlias(modelId, versionId) }),
  ],
  modelVersions: [({ modelId, runId }) => ({ filter: { modelId, runId } })],
  monitoringWindows: [({ deploymentId }) => ({ deploymentId })],
  parallelCoordinates: [(things) => ({ input: { filter: runFilter(things), metricKeys: ['loss'] } })],
  parameterImportance: [(things) => ({ input: { filter: runFilter(things), metricKey: 'loss' } })],
  prediction: [async ({ endpointId }, world) => ({ endpointId, requestId: await world.newPrediction(endpointId) })],
  predictions: [({ endpointId, deploymentId }) => ({ endpointId, filter: { deploymentId } })],
  productionVersionAt: [({ modelId }) => ({ modelId, at: new Date().toISOString() })],
  requestLogs: [({ endpointId, deploymentId }) => ({ endpointId, filter: { deploymentId } })],
  retrainingPolicy: [({ modelId }) => ({ modelId })],
  routePreview: [({ endpointId }) => ({ endpointId, routingKey: 'ada' })],
  run: [({ runId }) => ({ id: runId })],
  runLogs: [({ runId }) => ({ runId })],
  runMetrics: [({ runId }) => ({ runId })],
  runs: [
    ({ experimentId, datasetId, runId }) => ({
      filter: { experimentIds: [experimentId], datasetIds: [datasetId], parentRunId: runId },
    }),
  ],
  stageAt: [({ versionId }) => ({ modelVersionId: versionId, at: new Date().toISOString() })],
  trainingJob: [({ jobId }) => ({ id: jobId })],
  trainingJobs: [({ runId, datasetId }) => ({ filter: { runId, datasetId } })],
  webhook: [({ webhookId }) => ({ id: webhookId })],
  webhookDelivery: [({ webhookDeliveryId }) => ({ id: webhookDeliveryId })],
  webhooks: [({ modelId }) => ({ filter: { modelId } })],
  abTest: [async (_, world) => ({ id: await world.newAbTest() })],
  abTests: [({ endpointId }) => ({ filter: { endpointId } })],
  abTestLooks: [async (_, world) => ({ abTestId: await world.newAbTest() })],
  schedule: [({ scheduleId }) => ({ id: scheduleId })],
  scheduleStarts: [({ scheduleId }) => ({ scheduleId })],
  study: [({ studyId }) => ({ id: studyId })],
  studies: [({ experimentId }) => ({ filter: { experimentId } })],
  trial: [({ trialId }) => ({ id: trialId })],
  trialUpdates: [({ studyId }) => ({ studyId })],
  trials: [({ studyId }) => ({ studyId })],
};

/** The same for every mutation that must succeed: what a call uses up is created for it. */

export const MUTATION_ARGUMENTS: Record<string, ArgumentsOf[]> = {
  chat: [({ endpointId }) => ({ input: { endpointId, messages: [{ role: 'user', content: 'x' }] } })],
  complete: [({ endpointId }) => ({ input: { endpointId, prompt: 'x' } })],
  setPromptLogging: [({ endpointId }) => ({ input: { endpointId, sampleRate: 1 } })],
  setTokenBudget: [() => ({ input: { tokensPerDay: 1_000_000 } })],
  createModelComment: [
    ({ modelId }) => ({ input: { modelId, body: 'seen' } }),
    ({ versionId }) => ({ input: { modelVersionId: versionId, body: 'seen' } }),
  ],
  approveModelVersion: [
    async (_, world) => ({ input: { modelVersionId: await world.newVersionForReview(), toStage: 'STAGING' } }),
  ],
  appendRunLogs: [async (_, world) => ({ input: { runId: await world.newRun(), lines: [{ line: 'hello' }] } })],
  archiveModelVersion: [
    async (_, world) => {
      const modelVersionId = await world.newVersion(await world.newModel());
      await world.promote(modelVersionId, null);
      return { input: { modelVersionId } };
    },
  ],
  setJobPriority: [async (_, world) => ({ input: { jobId: await world.queuedTraining(), priority: 1 } })],
  pauseJob: [async (_, world) => ({ input: { jobId: await world.newTraining() } })],
  resumeJob: [async (_, world) => ({ input: { jobId: await world.pausedTraining() } })],
  setTenantShare: [() => ({ input: {} })],
  cancelJob: [async (_, world) => ({ input: { jobId: await world.newTraining() } })],
  cloneJob: [({ jobId }) => ({ input: { jobId } })],
  planAbTest: [async (_, world) => ({ input: await world.abTestInput() })],
  startAbTest: [async (_, world) => ({ input: { abTestId: await world.newAbTest(), plannedKeys: 100 } })],
  stopAbTest: [async (_, world) => ({ input: { abTestId: await world.newAbTest(), reason: 'not needed' } })],
  recordOutcomes: [
    ({ endpointId }) => ({ input: { endpointId, outcomes: [{ routingKey: 'ada', metric: 'clicks', value: 1 }] } }),
  ],
  createSchedule: [
    ({ jobId }) => ({ input: { name: `s-${randomUUID()}`, jobId, cron: '0 0 1 1 *', timeZone: 'UTC' } }),
  ],
  updateSchedule: [async ({ jobId }, world) => ({ input: { id: await world.newSchedule(), jobId } })],
  pauseSchedule: [async (_, world) => ({ input: { id: await world.newSchedule() } })],
  resumeSchedule: [async (_, world) => ({ input: { id: await world.pausedSchedule() } })],
  startScheduleNow: [async (_, world) => ({ input: { id: await world.newSchedule() } })],
  startCanary: [
    async ({ webhookId }, world) => {
      const endpointId = await world.newEndpoint();
      await world.newDeployment(endpointId);
      const steps = [{ ...CANARY.steps[0]!, approval: 'WEBHOOK' }];
      const modelVersionId = await world.newVersion();
      return { input: { endpointId, modelVersionId, approvalWebhookId: webhookId, ...CANARY, steps } };
    },
  ],
  pauseCanary: [async (_, world) => ({ input: { id: await world.runningCanary() } })],
  resumeCanary: [async (_, world) => ({ input: { id: await world.pausedCanary() } })],
  approveCanary: [async (_, world) => ({ input: { id: await world.waitingCanary() } })],
  promoteCanary: [async (_, world) => ({ input: { id: await world.runningCanary() } })],
  abortCanary: [async (_, world) => ({ input: { id: await world.newCanary() } })],
  deleteSchedule: [async (_, world) => ({ input: { id: await world.newSchedule() } })],
  collectGarbage: [
    async (_, world) => ({
      input: { olderThanDays: 1, experimentIds: [await world.newExperiment()], runIds: [await world.newRun()] },
    }),
  ],
  convertModelVersion: [
    async ({ datasetId }, world) => ({
      input: { modelVersionId: await world.newUnconverted(), sampleDatasetId: datasetId },
    }),
  ],
  createEnsemble: [
    async ({ modelId, versionId, datasetId }, world) => ({
      input: {
        ...{ modelId, datasetId, method: 'SOFT_VOTING' },
        members: [{ modelVersionId: versionId }, { modelVersionId: await world.newVersion() }],
      },
    }),
  ],
  createEndpoint: [({ modelId }) => ({ input: { name: `e-${randomUUID()}`, modelId } })],
  releaseModelVersion: [
    async ({ datasetId, versionId }, world) => ({
      input: {
        modelVersionId: await world.newVersion(),
        datasetId,
        targetStage: 'STAGING',
        expectedProductionVersionId: versionId,
      },
    }),
  ],
  createExperiment: [() => ({ input: { name: `e-${randomUUID()}` } })],
  getOrCreateEndpoint: [({ modelId }) => ({ input: { name: `e-${randomUUID()}`, modelId } })],
  getOrCreateExperiment: [() => ({ input: { name: `e-${randomUUID()}` } })],
  getOrCreateModel: [() => ({ input: { name: `m-${randomUUID()}`, task: 'REGRESSION', modelType: 'MLP_REGRESSOR' } })],
  exportExperiment: [({ experimentId }) => ({ input: { experimentId } })],
  importExperiment: [async (_, world) => ({ input: { uploadId: await world.newUpload() } })],
  issueAccessToken: [({ runId }) => ({ input: { name: 'ci', role: 'ENGINEER', scope: 'WRITE_RUN', runId } })],
  importFromMlflow: [() => ({ input: { trackingUri: 'https://mlflow.example.com', token: 'not-a-real-one' } })],
  cloneRun: [({ runId, experimentId }) => ({ input: { runId, experimentId } })],
  createModel: [() => ({ input: { name: `m-${randomUUID()}`, task: 'REGRESSION', modelType: 'MLP_REGRESSOR' } })],
  completeUpload: [async (_, world) => ({ input: { uploadId: await world.sentUpload() } })],
  createUpload: [() => ({ input: { fileName: 'table.csv', sizeBytes: 8 } })],
  createRun: [({ experimentId, runId }) => ({ input: { experimentId, parentRunId: runId } })],
  createWebhook: [
    ({ modelId }) => ({
      input: {
        name: `w-${randomUUID()}`,
        url: 'https://hooks.example.com/models',
        eventTypes: ['MODEL_REGISTERED'],
        modelId,
      },
    }),
  ],
  decideShadow: [
    async ({ endpointId }, world) => ({
      input: { deploymentId: await world.newDeployment(endpointId, await world.newVersion(), 'SHADOW') },
    }),
  ],
  deleteExperiment: [async (_, world) => ({ input: { id: await world.newExperiment() } })],
  deleteExperimentTag: [
    async (_, world) => {
      const experimentId = await world.newExperiment();
      await world.caller.ok(WorldSetExperimentTagsDocument, {
        input: {
          experimentId,
          tags: [{ key: 't', value: 'v' }],
        },
      });
      return { input: { experimentId, key: 't' } };
    },
  ],
  deleteRun: [async (_, world) => ({ input: { runId: await world.newRun() } })],
  deleteRunTag: [async (_, world) => ({ input: { runId: await world.newRun('label'), key: 'label' } })],
  deleteEndpoint: [async (_, world) => ({ input: { id: await world.newEndpoint() } })],
  deleteModelComment: [async ({ modelId }, world) => ({ input: { id: await world.newComment(modelId) } })],
  deleteModelTag: [
    async (_, world) => {
      const modelId = await world.newModel();
      await world.tagModel(modelId);
      return { input: { modelId, key: 't' } };
    },
  ],
  deleteModelVersionTag: [
    async (_, world) => {
      const modelVersionId = await world.newVersion();
      await world.tagVersion(modelVersionId);
      return { input: { modelVersionId, key: 't' } };
    },
  ],
  deleteModelAlias: [
    async ({ modelId, versionId }, world) => ({ input: { modelId, alias: await world.newAlias(modelId, versionId) } }),
  ],
  deleteModel: [async (_, world) => ({ input: { id: await world.newModel() } })],
  deleteModelVersion: [async (_, world) => ({ input: { id: await world.newVersion() } })],
  deleteRetrainingPolicy: [
    async (_, world) => {
      const modelId = await world.newModel();
      await world.setPolicy(modelId);
      return { input: { modelId } };
    },
  ],
  deleteWebhook: [async (_, world) => ({ input: { id: await world.newWebhook() } })],
  demoteModelVersion: [
    async (_, world) => {
      const modelVersionId = await world.newVersion(await world.newModel());
      await world.promote(modelVersionId, null);
      return { input: { modelVersionId } };
    },
  ],
  deployModelVersion: [
    async ({ versionId }, world) => ({
      input: { endpointId: await world.newEndpoint(), modelVersionId: versionId, mode: 'LIVE' },
    }),
  ],
  evaluateModelVersion: [
    async ({ versionId, datasetId }, world) => ({
      input: { modelVersionId: await world.newVersion(), datasetId, baselineVersionId: versionId },
    }),
  ],
  finishRun: [async (_, world) => ({ input: { runId: await world.newRun(), status: 'FINISHED' } })],
  logArtifact: [
    async (_, world) => ({
      input: { runId: await world.newRun(), path: 'table.csv', uploadId: await world.newUpload() },
    }),
  ],
  logMetrics: [async (_, world) => ({ input: { runId: await world.newRun(), metrics: [{ key: 'loss', value: 1 }] } })],
  logRunDatasets: [
    async ({ datasetId }, world) => ({ input: { runId: await world.newRun(), datasets: [{ datasetId }] } }),
  ],
  logParams: [async (_, world) => ({ input: { runId: await world.newRun(), params: [{ key: 'p', value: 'v' }] } })],
  predict: [({ endpointId }) => ({ input: { endpointId, rows: [CAR] } })],
  promoteModelVersion: [
    async (_, world) => {
      const { modelId, versionId } = await world.modelWithPast();
      const modelVersionId = await world.newVersion(modelId);
      await world.stage(modelVersionId);
      return { input: { modelVersionId, toStage: 'PRODUCTION', expectedProductionVersionId: versionId, ...OVERRIDE } };
    },
  ],
  redeliverWebhookDelivery: [
    async (_, world) => ({ input: { deliveryId: (await world.newDeliveredWebhook()).webhookDeliveryId } }),
  ],
  importGroundTruth: [
    ({ endpointId, datasetId }) => ({
      input: { endpointId, datasetId, requestIdColumn: 'Name', labelColumn: 'Origin' },
    }),
  ],
  registerPredictionLog: [
    async ({ endpointId, deploymentId }) => ({ input: { endpointId, deploymentId, name: `log-${randomUUID()}` } }),
  ],
  recordGroundTruth: [
    async ({ endpointId }, world) => ({
      input: { endpointId, records: [{ requestId: await world.newPrediction(endpointId), value: 1 }] },
    }),
  ],
  registerDataset: [
    async (_, world) => ({ input: { name: `d-${randomUUID()}`, source: { uploadId: await world.newUpload() } } }),
    async ({ datasetId }) => ({ input: { name: `d-${randomUUID()}`, source: { datasetId } } }),
  ],
  registerModelVersion: [
    async ({ runId }, world) => ({ input: { modelId: await world.newModel(), runId } }),
    async (_, world) => ({ input: { modelId: await world.newModel(), uploadId: await world.newUpload() } }),
    async (_, world) => ({ input: { modelId: await world.newModel(), loggedModelId: await world.newLoggedModel() } }),
  ],
  restoreExperiment: [
    async (_, world) => {
      const id = await world.newExperiment();
      await world.caller.ok(WorldDeleteExperimentDocument, { input: { id } });
      return { input: { id } };
    },
  ],
  restoreRun: [
    async (_, world) => {
      const runId = await world.newRun();
      await world.caller.ok(WorldDeleteRunDocument, { input: { runId } });
      return { input: { runId } };
    },
  ],
  resumeGarbageCollection: [async (_, world) => ({ input: { jobId: await world.cancelledCollection() } })],
  resumeRun: [
    async (_, world) => {
      const runId = await world.newRun();
      await world.caller.ok(WorldFinishRunDocument, { input: { runId, status: 'FINISHED' } });
      return { input: { runId } };
    },
  ],
  updateRun: [async (_, world) => ({ input: { runId: await world.newRun(), name: 'renamed' } })],
  rejectModelVersion: [
    async (_, world) => ({
      input: { modelVersionId: await world.newVersion(), toStage: 'STAGING', reason: 'too slow' },
    }),
  ],
  resolveAlert: [async (_, world) => ({ input: { alertId: await world.newAlert(), reason: 'seen' } })],
  resumeTraining: [async (_, world) => ({ input: { jobId: await world.cancelledTraining() } })],
  revokeAccessToken: [async (_, world) => ({ input: { id: await world.newAccessToken() } })],
  rotateWebhookSecret: [async (_, world) => ({ input: { id: await world.newWebhook() } })],
  rollbackModel: [
    async (_, world) => {
      const { modelId, versionId } = await world.modelWithPast();
      return { input: { modelId, expectedProductionVersionId: versionId } };
    },
  ],
  runMonitoring: [({ deploymentId }) => ({ input: { deploymentId } })],
  setModelTags: [({ modelId }) => ({ input: { modelId, tags: [{ key: 't', value: 'v' }] } })],
  setModelVersionTags: [
    ({ versionId }) => ({ input: { modelVersionId: versionId, tags: [{ key: 't', value: 'v' }] } }),
  ],
  setModelAlias: [
    ({ modelId, versionId }) => ({ input: { modelId, modelVersionId: versionId, alias: `a-${randomUUID()}` } }),
  ],
  setRetrainingPolicy: [({ modelId }) => ({ input: { modelId, datasetName: 'cars', enabled: false } })],
  setExperimentTags: [
    async (_, world) => ({ input: { experimentId: await world.newExperiment(), tags: [{ key: 't', value: 'v' }] } }),
  ],
  setRunTags: [async (_, world) => ({ input: { runId: await world.newRun(), tags: [{ key: 't', value: 'v' }] } })],
  setDeploymentSla: [
    async (_, world) => ({
      input: { deploymentId: await world.newDeployment(await world.newEndpoint()), sla: { latencyP95Ms: 25 } },
    }),
  ],
  setTrafficWeights: [
    ({ endpointId, deploymentId }) => ({
      input: {
        endpointId,
        weights: [{ deploymentId, weightBps: 10_000 }],
        rules: [{ attribute: 'country', values: ['DE'], deploymentId }],
      },
    }),
  ],
  startBatchInference: [
    ({ versionId, datasetId }) => ({ input: { modelVersionId: versionId, datasetId } }),
    async ({ modelId, versionId, datasetId }, world) => ({
      input: { modelId, alias: await world.newAlias(modelId, versionId), datasetId },
    }),
  ],
  startTraining: [
    ({ experimentId, datasetId, modelId }) => ({
      input: { experimentId, datasetId, registerModelId: modelId, config: QUICK_CONFIG },
    }),
  ],
  testWebhook: [({ webhookId }) => ({ input: { id: webhookId } })],
  undeploy: [async (_, world) => ({ input: { deploymentId: await world.newDeployment(await world.newEndpoint()) } })],
  updateEndpoint: [({ endpointId }) => ({ input: { id: endpointId, logSampleRate: 1 } })],
  updateExperiment: [({ experimentId }) => ({ input: { id: experimentId, description: 'changed' } })],
  setGatePolicy: [({ modelId }) => ({ input: { modelId, policy: { evaluation: { minRows: 200 } } } })],
  updateModelComment: [
    async ({ modelId }, world) => ({ input: { id: await world.newComment(modelId), body: 'changed' } }),
  ],
  updateModel: [({ modelId }) => ({ input: { id: modelId, description: 'changed' } })],
  updateModelVersion: [({ versionId }) => ({ input: { id: versionId, description: 'changed' } })],
  updateWebhook: [({ webhookId }) => ({ input: { id: webhookId, name: `w-${randomUUID()}` } })],
  validateModelVersion: [({ versionId }) => ({ input: { modelVersionId: versionId } })],
  askTrial: [({ studyId }) => ({ input: { studyId } })],
  cancelTuning: [async (_, world) => ({ input: { studyId: (await world.newStudy()).studyId } })],
  changeStopRule: [({ studyId }) => ({ input: { studyId, stop: { maxTrials: 10 } } })],
  createStudy: [
    ({ experimentId, studyId }) => ({
      input: {
        ...{ experimentId, name: 'made', stop: { maxTrials: 1 }, warmStartFrom: [studyId], ...RATES },
      },
    }),
  ],
  extendTuning: [({ studyId }) => ({ input: { studyId, moreTrials: 1 } })],
  registerBestTrial: [({ tuningId, modelId }) => ({ input: { studyId: tuningId, modelId } })],
  reportTrial: [async (_, world) => ({ input: { trialId: (await world.newStudy()).trialId, step: 1, value: 1 } })],
  resumeTuning: [async (_, world) => ({ input: { studyId: await world.cancelledStudy() } })],
  retryFailedTrials: [async (_, world) => ({ input: { studyId: (await world.newStudy()).studyId } })],
  startScript: [
    async ({ experimentId, datasetId }, world) => ({
      input: { experimentId, datasetId, uploadId: await world.newCode(), command: 'true' },
    }),
  ],
  startTuning: [
    ({ experimentId, datasetId, studyId }) => ({
      input: {
        ...{ experimentId, datasetId, name: 'made', config: QUICK_CONFIG, stop: { maxTrials: 1 } },
        ...{ warmStartFrom: [studyId], ...RATES },
      },
    }),
  ],
  tellTrial: [async (_, world) => ({ input: { trialId: (await world.newStudy()).trialId, values: [1] } })],
};

/** Arguments of one call, created for it. */
export async function argumentsFrom(world: World, argumentsOf: ArgumentsOf): Promise<Arguments> {
  return argumentsOf(world.things, world);
}
