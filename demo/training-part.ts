import {
  CreateExperimentDocument,
  FollowJobDocument,
  FollowRunMetricsDocument,
  RegisterDatasetDocument,
  RunsOfExperimentDocument,
  SearchDatasetsDocument,
  StartTrainingDocument,
  type FeatureInput,
} from '../schema/generated/operations.ts';
import { rm } from 'node:fs/promises';
import { Part } from './part.ts';
import { bar, count, sparkline } from './terminal.ts';
import { round, type DatasetView } from './views.ts';
import { must, type Figures } from './walk.ts';

export const FEATURES: FeatureInput[] = [
  { column: 'date', kind: 'TIMESTAMP' },
  { column: 'distance', kind: 'NUMERIC' },
  { column: 'origin', kind: 'CATEGORICAL' },
  { column: 'destination', kind: 'CATEGORICAL' },
];

/** A logistic regression converges by itself; the others get few epochs or trees, so that the demo is short. */
const FITTING = {
  LOGISTIC_REGRESSION: { hyperparameters: { maxCategories: 250 } },
  MLP_CLASSIFIER: {
    hyperparameters: {
      epochs: 8,
      batchSize: 512,
      learningRate: 0.001,
      hiddenLayers: [32, 16],
      maxCategories: 250,
      l2: 0.001,
    },
    earlyStopping: { patience: 3 },
  },
  BOOSTED_TREES_CLASSIFIER: {
    hyperparameters: { epochs: 60, learningRate: 0.2 },
    earlyStopping: { patience: 5 },
    checkpointEveryEpochs: 20,
  },
};

/** Datasets, trainings with live curves, comparison. */
export class TrainingPart extends Part {
  /** Exports the flights of [from, to) to a file, uploads it, and registers it. */
  async registerDataset(
    name: string,
    from: string,
    to: string,
    withOthers: boolean,
  ): Promise<{ dataset: DatasetView; figures: Figures }> {
    const { api, flights, folder, terminal } = this.options;
    const { path, rows } = await flights.export(folder, `${name}-${from}-${to}`, from, to, withOthers);
    const uploadId = await api.upload(path);
    await rm(path);
    const { dataset } = (await api.request(RegisterDatasetDocument, { name, uploadId })).registerDataset;
    must(dataset.rowCount === rows, `the service counted ${dataset.rowCount} rows, the file has ${rows}`);
    terminal.table([
      ['column', 'type', 'missing', 'different', 'from', 'to'],
      ...dataset.columns.map((column) => [
        column.name,
        column.type,
        count(column.missingCount),
        count(column.distinctCount),
        column.min ?? '',
        column.max ?? '',
      ]),
    ]);
    terminal.note(`${name} version ${dataset.version}: ${count(rows)} rows, sha256 ${dataset.sha256.slice(0, 12)}…`);
    return { dataset, figures: { rows, version: dataset.version, sha256: dataset.sha256 } };
  }

  async train(name: string, algorithm: keyof typeof FITTING): Promise<{ runId: string; figures: Figures }> {
    const { api, terminal } = this.options;
    if (!this.state.experimentId) {
      const { createExperiment } = await api.request(CreateExperimentDocument, {
        name: `Late flights${this.options.suffix}`,
        description: 'Which flights are more than 15 minutes late?',
      });
      this.state.experimentId = createExperiment.experiment.id;
    }
    const { datasets } = await api.request(SearchDatasetsDocument, {
      filter: { search: this.state.datasetName, latestOnly: true },
    });
    const [dataset] = datasets.nodes;
    must(dataset !== undefined, 'the dataset is not found');
    const { startTraining } = await api.request(StartTrainingDocument, {
      input: {
        experimentId: this.state.experimentId,
        datasetId: dataset.id,
        runName: name,
        config: {
          algorithm,
          target: { column: 'delay', greaterThan: 15 },
          features: FEATURES,
          split: { by: 'TIME', column: 'date', validation: 0.15, holdout: 0.15 },
          sampleRows: 300_000,
          ...FITTING[algorithm],
          // One flight in five is late: with a threshold of one half, hardly any would be predicted as late.
          decisionThreshold: { by: 'F1' },
          seed: 7,
        },
      },
    });
    const { job, run } = startTraining;
    await this.followTraining(job.id, run.id);
    const { metrics, warnings } = await this.resultOf(run.id);
    const figures: Figures = {};
    for (const key of ['holdout.log_loss', 'holdout.roc_auc', 'holdout.accuracy', 'holdout.f1', 'decision_threshold']) {
      const value = metrics.get(key);
      if (value !== undefined) figures[key] = round(value);
    }
    terminal.note(
      Object.entries(figures)
        .map(([key, value]) => `${key} ${value}`)
        .join('   '),
    );
    for (const { code, message: sentence } of warnings) terminal.note(`${code}: ${sentence}`);
    return { runId: run.id, figures };
  }

  private async followTraining(jobId: string, runId: string): Promise<void> {
    const { api, terminal } = this.options;
    const losses = { train: [] as number[], validation: [] as number[] };
    let progress = 0;
    let message = 'Queued';
    const draw = () =>
      terminal.live([
        `train      ${sparkline(losses.train).padEnd(20)} ${losses.train.at(-1)?.toFixed(4) ?? ''}`,
        `validation ${sparkline(losses.validation).padEnd(20)} ${losses.validation.at(-1)?.toFixed(4) ?? ''}`,
        `${bar(progress)}  ${message.slice(0, 60)}`,
      ]);
    let ended = false;
    const metrics = api.follow(FollowRunMetricsDocument, { runId, after: 0 }, ({ key, value }) => {
      if (key === 'train.loss') losses.train.push(Number(value));
      if (key === 'validation.loss') losses.validation.push(Number(value));
      draw();
      return ended || key.startsWith('holdout.');
    });
    metrics.catch(() => undefined);
    await api.follow(FollowJobDocument, { jobId }, (step) => {
      ({ progress, message } = step);
      draw();
      return ['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(step.status);
    });
    ended = true;
    await this.succeeded(jobId);
    await metrics;
    draw();
    for (const [rows, values] of Object.entries(losses)) {
      terminal.note(
        `${rows.padEnd(10)} loss ${sparkline(values)} ${values[0]?.toFixed(4)} → ${values.at(-1)?.toFixed(4)}`,
      );
    }
    must(losses.train.length > 0 && losses.validation.length === losses.train.length, 'no loss came live');
  }

  async compareRuns(): Promise<{ bestRunId: string; figures: Figures }> {
    const { api, terminal } = this.options;
    const { runs } = await api.request(RunsOfExperimentDocument, {
      experimentId: this.state.experimentId,
    });
    const shown = ['holdout.log_loss', 'holdout.roc_auc', 'holdout.accuracy', 'holdout.f1'];
    const of = (run: (typeof runs.nodes)[number], key: string) =>
      Number(run.metrics.find((metric) => metric.key === key)?.value ?? NaN);
    terminal.table([
      ['run', ...shown],
      ...runs.nodes.map((run) => [run.name, ...shown.map((key) => of(run, key).toFixed(4))]),
    ]);
    const best = [...runs.nodes].sort((a, b) => of(a, 'holdout.log_loss') - of(b, 'holdout.log_loss'))[0];
    must(best !== undefined && runs.nodes.length === 3, 'three runs are expected in the list');
    terminal.note(`${best.name} has won: it has the lowest log loss on the latest two weeks`);
    return {
      bestRunId: best.id,
      figures: {
        best: best.name,
        logLoss: round(of(best, 'holdout.log_loss')),
        rocAuc: round(of(best, 'holdout.roc_auc')),
      },
    };
  }

  private async resultOf(
    runId: string,
  ): Promise<{ metrics: Map<string, number>; warnings: { code: string; message: string }[] }> {
    const { runs } = await this.options.api.request(RunsOfExperimentDocument, {
      experimentId: this.state.experimentId,
    });
    const run = runs.nodes.find((candidate) => candidate.id === runId);
    return {
      metrics: new Map(run?.metrics.map((metric) => [metric.key, Number(metric.value)])),
      warnings: run?.warnings ?? [],
    };
  }
}
