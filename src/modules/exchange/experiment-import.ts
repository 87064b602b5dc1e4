import type { RemoteExperiment, RemoteLoggedModel, RemoteRun } from './rules/mlflow-records.js';
import { visibleName } from './rules/mlflow-records.js';
import { timeOf } from '../core/index.js';
import type { ExperimentService } from '../experiments/index.js';
import type { LoggedModelService } from '../logged-models/index.js';
import { inGroups, type ImportWork, fingerprintOf } from './import-work.js';
import { importFiles, RunImport, type RunImportServices, type SyncedFiles } from './run-import.js';

export interface ExperimentImportServices extends RunImportServices {
  experiments: ExperimentService;
  loggedModels: LoggedModelService;
}

interface Synced {
  print: string;
  deleted: boolean;
}

interface SyncedModel extends SyncedFiles {
  print: string;
}

/** MLflow's id of the default experiment, which every server has. */
const DEFAULT_ID = '0';

/** Imports experiments with their runs and logged models. */
export class ExperimentImport {
  constructor(
    private readonly services: ExperimentImportServices,
    private readonly work: ImportWork,
  ) {}

  async importExperiment(remote: RemoteExperiment, onRun: () => void): Promise<void> {
    const { work, services } = this;
    const { experiment_id: externalId } = remote;
    const isDeleted = remote.lifecycle_stage === 'deleted';
    const print = fingerprintOf(remote);
    const known = await work.find<Synced>('EXPERIMENT', externalId);
    if (known?.synced.deleted && isDeleted) return work.unchanged('EXPERIMENT');
    const id = known?.localId ?? (await this.create(remote));
    await work.attempt.write(async (session) => {
      const experiment = await services.experiments.get(session, id);
      if (experiment.state === 'DELETED') await services.experiments.restore(session, id);
      if (known?.synced.print === print) return;
      await session.em.flush();
      await inGroups(session, remote.tags, (tags) => services.experiments.setTags(session, id, tags));
    });
    await this.importContents(id, remote, onRun);
    const outcome =
      known?.synced.print === undefined ? 'added' : known.synced.print === print ? 'unchanged' : 'changed';
    await work.finish('EXPERIMENT', externalId, outcome, { print, deleted: isDeleted }, async (session) => {
      if (isDeleted) await services.experiments.remove(session, id);
    });
  }

  private async importContents(id: string, remote: RemoteExperiment, onRun: () => void): Promise<void> {
    const { work } = this;
    const runs = new RunImport(this.services, work);
    const linked: { runId: string; remote: Pick<RemoteRun, 'inputs' | 'outputs'> & { id: string } }[] = [];
    for await (const run of work.reader.runs(remote.experiment_id, work.config.withDeleted)) {
      work.attempt.signal.throwIfAborted();
      await work.leniently(`run ${run.info.run_id}`, async () => {
        const runId = await runs.importRun(id, run);
        const { inputs, outputs, info } = run;
        if (inputs.model_inputs.length + outputs.model_outputs.length > 0)
          linked.push({ runId, remote: { id: info.run_id, inputs, outputs } });
      });
      onRun();
    }
    await runs.linkParents(id);
    for await (const model of work.reader.loggedModels(remote.experiment_id)) {
      work.attempt.signal.throwIfAborted();
      await work.leniently(`logged model ${model.info.model_id}`, () => this.importLoggedModel(id, model));
    }
    for (const { runId, remote: run } of linked)
      await work.leniently(`models of run ${run.id}`, () => this.link(runId, run));
  }

  /**
   * Creates the experiment under its own name or, when that is taken, under a name that includes the other server. The
   * other server's default experiment becomes the default experiment here.
   */
  private create(remote: RemoteExperiment): Promise<string> {
    const { experiments } = this.services;
    return this.work.make('EXPERIMENT', remote.experiment_id, async (session, id) => {
      if (remote.experiment_id === DEFAULT_ID) return (await experiments.default(session)).id;
      const name = visibleName(remote.name, `experiment ${remote.experiment_id}`);
      const free = (await experiments.findByName(session, name)) === null ? name : `${name} (from ${this.work.origin})`;
      const experiment = await experiments.create(session, { ...(id && { id }), name: free });
      if (remote.creation_time !== undefined) experiment.createdAt = timeOf('creation_time', remote.creation_time);
      return experiment.id;
    });
  }

  private async importLoggedModel(experimentId: string, remote: RemoteLoggedModel): Promise<void> {
    const { work, services } = this;
    const { info, data } = remote;
    const print = fingerprintOf(remote);
    const known = await work.find<SyncedModel>('LOGGED_MODEL', info.model_id);
    const isSame = known?.synced.print === print;
    const runId = info.source_run_id ? (await work.find('RUN', info.source_run_id))?.localId : undefined;
    const id =
      known?.localId ??
      (await work.make('LOGGED_MODEL', info.model_id, async (session, own) => {
        const model = await services.loggedModels.create(session, {
          ...(own && { id: own }),
          ...{ experimentId, runId, name: visibleName(info.name, info.model_id), modelType: info.model_type || null },
        });
        if (info.creation_timestamp_ms !== undefined)
          model.createdAt = timeOf('creation_timestamp_ms', info.creation_timestamp_ms);
        return model.id;
      }));
    const place = { artifactUri: info.artifact_uri, runId: null };
    // The files may change when the model does not.
    const files = await importFiles(services.folders, work, { loggedModelId: id }, place, known?.synced ?? {});
    if (isSame && files.imported === 0) return work.unchanged('LOGGED_MODEL');
    const outcome = known?.synced.print === undefined ? 'added' : 'changed';
    await work.finish(
      'LOGGED_MODEL',
      info.model_id,
      outcome,
      { print, ...files.synced } satisfies SyncedModel,
      async (session) => {
        if (isSame) return;
        await inGroups(session, data.params, (params) => services.loggedModels.logParams(session, id, params));
        await inGroups(session, info.tags, (tags) => services.loggedModels.setTags(session, id, tags));
        if (runId !== undefined) {
          const points = data.metrics.filter((point) => (point.run_id ?? info.source_run_id) === info.source_run_id);
          await services.loggedModels.logMetrics(
            session,
            runId,
            points.map(({ key, value, step, timestamp, dataset_name: datasetName, dataset_digest: datasetDigest }) => ({
              ...{ loggedModelId: id, key, value, step, loggedAt: new Date(timestamp), datasetName, datasetDigest },
            })),
          );
        }
        const status = statusOf(info.status);
        if (status) await services.loggedModels.finalize(session, id, status, null);
      },
    );
  }

  private async link(runId: string, { inputs, outputs }: Pick<RemoteRun, 'inputs' | 'outputs'>): Promise<void> {
    const here = async (models: { model_id: string; step?: number }[]) => {
      const found = await Promise.all(
        models.map(async ({ model_id: id, step }) => ({
          known: await this.work.find('LOGGED_MODEL', id),
          step: step ?? 0,
        })),
      );
      return found.flatMap(({ known, step }) => (known ? [{ loggedModelId: known.localId, step }] : []));
    };
    const [read, made] = [await here(inputs.model_inputs), await here(outputs.model_outputs)];
    await this.work.attempt.write(async (session) => {
      await this.services.loggedModels.linkToRun(session, runId, 'INPUT', read);
      await this.services.loggedModels.linkToRun(session, runId, 'OUTPUT', made);
    });
  }
}

/** Null while the model is being created. MLflow writes the name of its enum, or the number. */
function statusOf(status: string | number | undefined): 'READY' | 'FAILED' | null {
  switch (status) {
    case 'LOGGED_MODEL_READY':
    case 2:
      return 'READY';
    case 'LOGGED_MODEL_UPLOAD_FAILED':
    case 3:
      return 'FAILED';
    default:
      return null;
  }
}
