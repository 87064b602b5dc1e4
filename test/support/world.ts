import { randomUUID } from 'node:crypto';
import { Role } from '../../src/domain/principal.js';
import type { Caller, TestService } from './service.js';
import { type ServedModel, TrafficWriter } from './traffic.js';
import { CARS_CONFIG, createExperiment, registerDataset, startTraining, trainingEnd, vegaPath } from './training.js';

export const QUICK_CONFIG = { ...CARS_CONFIG, hyperparameters: { epochs: 1, batchSize: 64, learningRate: 0.01, hiddenLayers: [4] } };

/** One tenant with a thing of every type. */
export class World {
  private constructor(
    readonly tenant: string,
    readonly caller: Caller,
    readonly traffic: TrafficWriter,
    readonly experimentId: string,
    readonly datasetId: string,
    /** A finished training. */
    readonly jobId: string,
    readonly runId: string,
    readonly served: ServedModel,
    readonly alertId: string,
  ) {}

  static async create(service: TestService, traffic: TrafficWriter, tenant: string): Promise<World> {
    const caller = await service.as({ tenant, role: Role.ADMIN, subject: `owner-of-${tenant}` });
    const experimentId = await createExperiment(caller);
    const datasetId = await registerDataset(caller, { name: 'cars', path: vegaPath('cars.json') });
    const { jobId, runId } = await startTraining(caller, { experimentId, datasetId, config: QUICK_CONFIG });
    await trainingEnd(caller, jobId);
    const served = await traffic.serve(null, { tenant, slaMs: 1, runId });
    const alertId = await openAlert(caller, traffic, served);
    return new World(tenant, caller, traffic, experimentId, datasetId, jobId, runId, served, alertId);
  }

  async newRun(): Promise<string> {
    const created = await this.caller.ok<{ createRun: { run: { id: string } } }>(`mutation ($e: ID!) { createRun(input: { experimentId: $e }) { run { id } } }`, {
      e: this.experimentId,
    });
    return created.createRun.run.id;
  }

  async newUpload(text = 'a,b\n1,2\n'): Promise<string> {
    return (await this.caller.upload('table.csv', text)).uploadId;
  }

  /** A training that will not end by itself while a test looks. */
  async newTraining(): Promise<string> {
    const config = { ...QUICK_CONFIG, hyperparameters: { ...QUICK_CONFIG.hyperparameters, epochs: 10_000 }, checkpointEveryEpochs: 10_000 };
    return (await startTraining(this.caller, { experimentId: this.experimentId, datasetId: this.datasetId, config })).jobId;
  }

  async cancel(jobId: string): Promise<void> {
    await this.caller.ok(`mutation ($id: ID!) { cancelJob(input: { jobId: $id }) { job { id } } }`, { id: jobId });
  }

  async newServed(): Promise<ServedModel> {
    return this.traffic.serve(null, { tenant: this.tenant, slaMs: 1, runId: this.runId });
  }

  async newAlert(): Promise<string> {
    return openAlert(this.caller, this.traffic, await this.newServed());
  }
}

async function openAlert(caller: Caller, traffic: TrafficWriter, served: ServedModel): Promise<string> {
  await traffic.count(served, { requests: 60, latencyMs: 90 });
  const { runMonitoring } = await caller.ok<{ runMonitoring: { alerts: { id: string }[] } }>(
    `mutation ($id: ID!) { runMonitoring(input: { deploymentId: $id }) { alerts { id } } }`,
    { id: served.deploymentId },
  );
  return runMonitoring.alerts[0]!.id;
}

type Arguments = Record<string, unknown>;

/**
 * Arguments that name a thing of the world at every place that takes an id, by root field; several where not all places can be
 * filled at once. Queries and subscriptions.
 */
export const READ_ARGUMENTS: Record<string, ((world: World) => Arguments | Promise<Arguments>)[]> = {
  alert: [({ alertId }) => ({ id: alertId })],
  alertEvents: [({ served }) => ({ modelId: served.modelId })],
  alerts: [({ served }) => ({ filter: { modelId: served.modelId, endpointId: served.endpointId, deploymentId: served.deploymentId } })],
  auditLog: [({ runId }) => ({ filter: { subjectId: runId } })],
  dataset: [({ datasetId }) => ({ id: datasetId })],
  events: [({ served, alertId }) => ({ filter: { modelId: served.modelId, endpointId: served.endpointId, subjectId: alertId } })],
  experiment: [({ experimentId }) => ({ id: experimentId })],
  job: [({ jobId }) => ({ id: jobId })],
  jobProgress: [({ jobId }) => ({ jobId })],
  jobs: [({ runId, datasetId, served }) => ({ filter: { runId, datasetId, modelVersionId: served.versionId } })],
  lifecycleEvents: [({ served, alertId }) => ({ filter: { modelId: served.modelId, endpointId: served.endpointId, subjectId: alertId } })],
  monitoringWindows: [({ served }) => ({ deploymentId: served.deploymentId })],
  retrainingPolicy: [({ served }) => ({ modelId: served.modelId })],
  run: [({ runId }) => ({ id: runId })],
  runMetrics: [({ runId }) => ({ runId })],
  runs: [({ experimentId, datasetId }) => ({ filter: { experimentIds: [experimentId], datasetIds: [datasetId] } })],
  trainingJob: [({ jobId }) => ({ id: jobId })],
  trainingJobs: [({ runId, datasetId }) => ({ filter: { runId, datasetId } })],
};

/** The same of mutations; each call is meant to succeed, with things made for it where it uses them up. */
export const MUTATION_ARGUMENTS: Record<string, ((world: World) => Arguments | Promise<Arguments>)[]> = {
  cancelJob: [async (world) => ({ input: { jobId: await world.newTraining() } })],
  createExperiment: [() => ({ input: { name: `e-${randomUUID()}` } })],
  createRun: [({ experimentId }) => ({ input: { experimentId } })],
  deleteRetrainingPolicy: [
    async (world) => {
      const { modelId } = await world.newServed();
      await world.caller.ok(`mutation ($m: ID!) { setRetrainingPolicy(input: { modelId: $m, datasetName: "cars" }) { policy { id } } }`, { m: modelId });
      return { input: { modelId } };
    },
  ],
  finishRun: [async (world) => ({ input: { runId: await world.newRun(), status: 'FINISHED' } })],
  logArtifact: [async (world) => ({ input: { runId: await world.newRun(), path: 'table.csv', uploadId: await world.newUpload() } })],
  logMetrics: [async (world) => ({ input: { runId: await world.newRun(), metrics: [{ key: 'loss', value: 1 }] } })],
  logParams: [async (world) => ({ input: { runId: await world.newRun(), params: [{ key: 'p', value: 'v' }] } })],
  registerDataset: [async (world) => ({ input: { name: `d-${randomUUID()}`, source: { uploadId: await world.newUpload() } } })],
  resolveAlert: [async (world) => ({ input: { alertId: await world.newAlert(), reason: 'seen' } })],
  resumeTraining: [
    async (world) => {
      const jobId = await world.newTraining();
      await world.cancel(jobId);
      return { input: { jobId } };
    },
  ],
  runMonitoring: [({ served }) => ({ input: { deploymentId: served.deploymentId } })],
  setRetrainingPolicy: [({ served }) => ({ input: { modelId: served.modelId, datasetName: 'cars', enabled: false } })],
  setRunTags: [async (world) => ({ input: { runId: await world.newRun(), tags: [{ key: 't', value: 'v' }] } })],
  startTraining: [({ experimentId, datasetId, served }) => ({ input: { experimentId, datasetId, registerModelId: served.modelId, config: QUICK_CONFIG } })],
  updateExperiment: [({ experimentId }) => ({ input: { id: experimentId, description: 'changed' } })],
};
