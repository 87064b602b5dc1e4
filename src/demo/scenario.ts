import { rm } from 'node:fs/promises';
import { ApiError, type ApiClient } from './client.js';
import { document } from './documents.js';
import type { Flight, Flights } from './flights.js';
import { bar, count, duration, sparkline, type Terminal } from './terminal.js';
import { must, type Figures, type Walk } from './walk.js';

export interface ScenarioOptions {
  api: ApiClient;
  flights: Flights;
  terminal: Terminal;
  walk: Walk;
  /** An empty folder for the files that are uploaded. */
  folder: string;
  /** Apart from earlier demos on the same data folder. */
  suffix: string;
}

interface Version {
  id: string;
  version: number;
  semanticVersion: string;
  stage: string;
}

interface JobView {
  status: string;
  result: Record<string, unknown> | null;
  errorMessage: string | null;
}

interface Gate {
  gate: string;
  passed: boolean;
  checks: { name: string; passed: boolean; expected: string; got: string }[];
}

interface Comparison {
  candidate: number;
  reference: number;
  difference: number;
  low: number;
  high: number;
}

interface DeploymentView {
  id: string;
  mode: string;
  status: string;
  weightBps: number;
  modelVersion: { version: number };
}

const FEATURES = [
  { column: 'date', kind: 'TIMESTAMP' },
  { column: 'distance', kind: 'NUMERIC' },
  { column: 'origin', kind: 'CATEGORICAL' },
  { column: 'destination', kind: 'CATEGORICAL' },
];
const ROWS_PER_REQUEST = 5;
const REQUESTS_AT_ONCE = 8;

/** Will this flight be more than 15 minutes late? A model's whole life, through the public API alone. */
export class Scenario {
  private experimentId = '';
  private modelId = '';
  private endpointId = '';
  private deploymentId = '';
  private readonly modelName: string;
  private readonly endpointName: string;
  private readonly datasetName: string;
  private seed = 0;

  constructor(private readonly options: ScenarioOptions) {
    this.modelName = `flight-delay${options.suffix}`;
    this.endpointName = `flight-delay${options.suffix}`;
    this.datasetName = `flights${options.suffix}`;
  }

  async run(): Promise<void> {
    const { walk } = this.options;
    let firstRunId = '';
    let bestRunId = '';
    let first: Version | null = null;
    let second: Version | null = null;
    let alertId = '';
    await walk.step('Register a dataset: real flights of January to March 2001', () => this.registerDataset('2001-01-01', '2001-04-01', false));
    await walk.step('Train a logistic regression, live', async () => {
      const trained = await this.train('logistic', 'LOGISTIC_REGRESSION');
      firstRunId = trained.runId;
      return trained.figures;
    });
    await walk.step('Train a neural network on the same weeks, live', async () => {
      const trained = await this.train('network', 'MLP_CLASSIFIER');
      bestRunId = trained.runId;
      return trained.figures;
    });
    await walk.step('Compare the runs', async () => {
      const compared = await this.compareRuns();
      bestRunId = compared.bestRunId || bestRunId || firstRunId;
      return compared.figures;
    });
    await walk.step('Register the better one as version 1', async () => {
      first = await this.registerModel(bestRunId);
      return { version: first.version, semanticVersion: first.semanticVersion, stage: first.stage };
    });
    const v1 = () => present(first);
    await walk.step('Try to promote it unproven: refused, with what is missing', () => this.refusedPromotion(v1()));
    await walk.step('Evaluate it on the latest two weeks, against the base rate', () => this.evaluate(v1(), 'the base rate'));
    await walk.step('Validate it: signature, samples, thresholds, latency, agreement', () => this.validate(v1()));
    await walk.step('Promote it: staging, then production', () => this.promote(v1(), null));
    await walk.step('Deploy it on an endpoint that follows production', () => this.deploy());
    await walk.step('Send real flights as traffic', () => this.sendTraffic('2001-03-18', '2001-04-01', false, 1_500));
    await walk.step('Watch: live traffic is like the training data', () => this.monitorQuiet());
    await walk.step('Let an alert retrain: fresh flights and a policy', async () => {
      const figures = await this.registerDataset('2001-01-01', '2001-06-16', true);
      await this.options.api.request(document('setRetrainingPolicy'), {
        input: { modelId: this.modelId, datasetName: this.datasetName, alertKinds: ['DRIFT'], cooldownMs: 3_600_000, budgetPer30Days: 3 },
      });
      return figures;
    });
    await walk.step('Send a really different stretch until drift is noticed', async () => {
      const noticed = await this.sendUntilDrift();
      alertId = noticed.alertId;
      return noticed.figures;
    });
    await walk.step('The alert retrains on fresh flights', async () => {
      const retrained = await this.awaitRetraining(alertId);
      second = retrained.version;
      return retrained.figures;
    });
    const v2 = () => present(second);
    await walk.step('Evaluate version 2 against production', () => this.evaluate(v2(), 'version 1'));
    await walk.step('Validate version 2 and promote it to staging', async () => {
      const figures = await this.validate(v2());
      await this.promoteTo(v2(), 'STAGING', null);
      return figures;
    });
    await walk.step('Shadow it: a copy of live traffic, answers compared, never returned', () => this.shadow(v2()));
    await walk.step('Promote version 2 to production: traffic follows', () => this.promoteToProduction(v2(), v1()));
    await walk.step('Roll back, and forward again', () => this.rollBackAndForward(v1(), v2()));
    await walk.step('Predict for a whole dataset in the background', () => this.batch(v2()));
    await walk.step('Read back what happened', () => this.readHistory());
  }

  /** Addresses and documents for a person to go on with. */
  closingQueries(): { title: string; query: string }[] {
    return [
      { title: 'What is in production, on which evidence', query: `{ model(id: "${this.modelId}") { name productionVersion { version semanticVersion gates { gate passed checks { name expected got } } } } }` },
      { title: 'Predict', query: `mutation { predict(input: { endpointName: "${this.endpointName}", rows: [{ date: "2001-06-29T17:30:00Z", distance: 733, origin: "ORD", destination: "LGA" }] }) { predictions { label probabilities } latencyMs } }` },
      { title: 'Follow all that happens (keep it open while you promote or predict)', query: `subscription { lifecycleEvents(after: 0) { seq type createdAt payload } }` },
    ];
  }

  private async registerDataset(from: string, to: string, withOthers: boolean): Promise<Figures> {
    const { api, flights, folder, terminal } = this.options;
    const { path, rows } = await flights.export(folder, `${this.datasetName}-${from}-${to}`, from, to, withOthers);
    const uploadId = await api.upload(path);
    await rm(path);
    const { registerDataset } = await api.request<{
      registerDataset: { dataset: { id: string; version: number; rowCount: number; sha256: string; columns: { name: string; type: string; missingCount: number; distinctCount: number; min: string; max: string }[] } };
    }>(document('registerDataset'), { name: this.datasetName, uploadId });
    const { dataset } = registerDataset;
    must(dataset.rowCount === rows, `the service counted ${dataset.rowCount} rows, the file has ${rows}`);
    terminal.table([
      ['column', 'type', 'missing', 'different', 'from', 'to'],
      ...dataset.columns.map((column) => [column.name, column.type, count(column.missingCount), count(column.distinctCount), column.min, column.max]),
    ]);
    terminal.note(`${this.datasetName} version ${dataset.version}: ${count(rows)} rows, sha256 ${dataset.sha256.slice(0, 12)}…`);
    return { rows, version: dataset.version, sha256: dataset.sha256 };
  }

  private async train(name: string, modelType: string): Promise<{ runId: string; figures: Figures }> {
    const { api, terminal } = this.options;
    if (!this.experimentId) {
      const { createExperiment } = await api.request<{ createExperiment: { experiment: { id: string } } }>(document('createExperiment'), {
        name: `Late flights${this.options.suffix}`,
        description: 'Which flights are more than 15 minutes late?',
      });
      this.experimentId = createExperiment.experiment.id;
    }
    const { datasets } = await api.request<{ datasets: { nodes: { id: string }[] } }>(document('searchDatasets'), { filter: { search: this.datasetName, latestOnly: true } });
    const { startTraining } = await api.request<{ startTraining: { job: { id: string }; run: { id: string } } }>(document('startTraining'), {
      input: {
        experimentId: this.experimentId,
        datasetId: datasets.nodes[0]?.id,
        runName: name,
        config: {
          modelType,
          target: { column: 'delay', greaterThan: 15 },
          features: FEATURES,
          split: { by: 'TIME', column: 'date', validation: 0.15, holdout: 0.15 },
          sampleRows: 300_000,
          hyperparameters: { epochs: 8, batchSize: 512, learningRate: 0.002, hiddenLayers: [32, 16], maxCategories: 250, l2: 0.0001 },
          earlyStopping: { patience: 3 },
          seed: 7,
        },
      },
    });
    const { job, run } = startTraining;
    await this.followTraining(job.id, run.id);
    const { metrics } = await this.metricsOf(run.id);
    const figures: Figures = {};
    for (const key of ['holdout.log_loss', 'holdout.roc_auc', 'holdout.accuracy', 'holdout.f1']) {
      const value = metrics.get(key);
      if (value !== undefined) figures[key] = round(value);
    }
    terminal.note(Object.entries(figures).map(([key, value]) => `${key} ${value}`).join('   '));
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
    const metrics = api.follow<{ key: string; value: number }>(document('followRunMetrics'), { runId, after: 0 }, ({ key, value }) => {
      if (key === 'train.loss') losses.train.push(value);
      if (key === 'validation.loss') losses.validation.push(value);
      draw();
      return ended || key.startsWith('holdout.');
    });
    metrics.catch(() => undefined);
    await api.follow<{ status: string; progress: number; message: string }>(document('followJob'), { jobId }, (step) => {
      ({ progress, message } = step);
      draw();
      return ['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(step.status);
    });
    ended = true;
    await this.succeeded(jobId);
    await metrics;
    draw();
    terminal.note(`loss: train ${losses.train.map((loss) => loss.toFixed(4)).join(' → ')}`);
    must(losses.train.length > 0 && losses.validation.length === losses.train.length, 'no loss came live');
  }

  private async compareRuns(): Promise<{ bestRunId: string; figures: Figures }> {
    const { api, terminal } = this.options;
    const { runs } = await api.request<{ runs: { nodes: { id: string; name: string; metrics: { key: string; value: number }[] }[] } }>(document('runsOfExperiment'), {
      experimentId: this.experimentId,
    });
    const shown = ['holdout.log_loss', 'holdout.roc_auc', 'holdout.accuracy', 'holdout.f1'];
    const of = (run: (typeof runs.nodes)[number], key: string) => run.metrics.find((metric) => metric.key === key)?.value ?? NaN;
    terminal.table([['run', ...shown], ...runs.nodes.map((run) => [run.name, ...shown.map((key) => of(run, key).toFixed(4))])]);
    const best = [...runs.nodes].sort((a, b) => of(a, 'holdout.log_loss') - of(b, 'holdout.log_loss'))[0];
    must(best !== undefined && runs.nodes.length === 2, 'both runs are expected in the list');
    return { bestRunId: best.id, figures: { best: best.name, logLoss: round(of(best, 'holdout.log_loss')), rocAuc: round(of(best, 'holdout.roc_auc')) } };
  }

  private async registerModel(runId: string): Promise<Version> {
    const { api, terminal } = this.options;
    const { createModel } = await api.request<{ createModel: { model: { id: string } } }>(document('createModel'), {
      input: { name: this.modelName, task: 'CLASSIFICATION', modelType: 'flight delay', framework: 'onnx', description: 'Is a flight more than 15 minutes late?' },
    });
    this.modelId = createModel.model.id;
    const { registerModelVersion } = await api.request<{ registerModelVersion: { modelVersion: Version } }>(document('registerModelVersion'), { modelId: this.modelId, runId });
    const version = registerModelVersion.modelVersion;
    terminal.note(`${this.modelName} version ${version.version} (${version.semanticVersion}), ${version.stage}`);
    return version;
  }

  private async refusedPromotion(version: Version): Promise<Figures> {
    try {
      await this.promoteTo(version, 'STAGING', null);
    } catch (error) {
      must(error instanceof ApiError && error.code === 'GATE_NOT_PASSED', `expected GATE_NOT_PASSED, got ${String(error)}`);
      this.options.terminal.note(error.message);
      return { code: error.code };
    }
    throw new Error('an unproven version was promoted');
  }

  private async evaluate(version: Version, against: string): Promise<Figures> {
    const { api, terminal } = this.options;
    const { evaluateModelVersion } = await api.request<{ evaluateModelVersion: { job: { id: string } } }>(document('evaluateModelVersion'), { modelVersionId: version.id });
    const job = await this.awaitJob(evaluateModelVersion.job.id);
    const { evaluation } = await api.request<{
      evaluation: {
        rows: number;
        metrics: { name: string; value: number; low: number | null; high: number | null; baseline: number | null }[];
        againstBaseRate: Comparison | null;
        againstBaseline: Comparison | null;
      };
    }>(document('evaluation'), { id: job.result?.['evaluationId'] });
    terminal.table([
      ['metric', 'value', '95 % interval', 'production'],
      ...evaluation.metrics.map((metric) => [metric.name, metric.value.toFixed(4), interval(metric.low, metric.high), metric.baseline?.toFixed(4) ?? '—']),
    ]);
    const base = evaluation.againstBaseRate;
    must(base !== null, 'the comparison with the base rate is missing');
    terminal.note(`log loss ${base.candidate.toFixed(4)} against ${base.reference.toFixed(4)} of the base rate: difference ${base.difference.toFixed(4)} (${interval(base.low, base.high)})`);
    must(base.high < 0, `the model's log loss is not below the base rate's: the interval of the difference ends at ${base.high}`);
    const gate = await this.passedGate(version, 'EVALUATION');
    const rocAuc = evaluation.metrics.find((metric) => metric.name === 'roc_auc')?.value ?? NaN;
    const figures: Figures = {
      against,
      rows: evaluation.rows,
      logLoss: round(base.candidate),
      baseRateLogLoss: round(base.reference),
      differenceHigh: round(base.high),
      rocAuc: round(rocAuc),
      gate: gate.passed,
    };
    if (evaluation.againstBaseline) {
      const { difference, low, high } = evaluation.againstBaseline;
      terminal.note(`against ${against}: ${difference.toFixed(4)} (${interval(low, high)})`);
      figures['againstProduction'] = round(difference);
    }
    return figures;
  }

  private async validate(version: Version): Promise<Figures> {
    const { api, terminal } = this.options;
    const { validateModelVersion } = await api.request<{ validateModelVersion: { job: { id: string } } }>(document('validateModelVersion'), { modelVersionId: version.id });
    await this.awaitJob(validateModelVersion.job.id);
    const gate = await this.passedGate(version, 'VALIDATION');
    terminal.table([['check', 'expected', 'got'], ...gate.checks.map((check) => [`${check.passed ? '✓' : '✗'} ${check.name}`, check.expected, check.got])]);
    return { checks: gate.checks.length, passed: gate.passed };
  }

  private async promote(version: Version, expected: string | null): Promise<Figures> {
    await this.promoteTo(version, 'STAGING', null);
    const promoted = await this.promoteTo(version, 'PRODUCTION', expected);
    this.options.terminal.note(`version ${promoted.version} is in ${promoted.stage}`);
    return { version: promoted.version, stage: promoted.stage };
  }

  private async promoteTo(version: Version, toStage: string, expectedProductionVersionId: string | null): Promise<Version> {
    const { promoteModelVersion } = await this.options.api.request<{ promoteModelVersion: { modelVersion: Version } }>(document('promoteModelVersion'), {
      modelVersionId: version.id,
      toStage,
      expectedProductionVersionId,
    });
    return promoteModelVersion.modelVersion;
  }

  private async deploy(): Promise<Figures> {
    const { api, terminal } = this.options;
    const { createEndpoint } = await api.request<{ createEndpoint: { endpoint: { id: string; name: string } } }>(document('createEndpoint'), {
      input: { name: this.endpointName, modelId: this.modelId, followStage: 'PRODUCTION', slaLatencyP95Ms: 200, logSampleRate: 1 },
    });
    this.endpointId = createEndpoint.endpoint.id;
    const startedAt = performance.now();
    const deployment = await this.awaitLive(1);
    this.deploymentId = deployment.id;
    terminal.note(`POST /graphql  predict(endpointName: "${createEndpoint.endpoint.name}")  ready after ${duration(performance.now() - startedAt)}`);
    return { endpoint: createEndpoint.endpoint.name, version: 1 };
  }

  private async deployments(): Promise<DeploymentView[]> {
    const { endpoint } = await this.options.api.request<{ endpoint: { deployments: DeploymentView[] } }>(document('endpointTraffic'), { endpointId: this.endpointId });
    return endpoint.deployments;
  }

  /** Waits until the endpoint serves the version with all its traffic. */
  private async awaitLive(version: number): Promise<{ id: string }> {
    for (let tries = 0; tries < 300; tries++) {
      const live = (await this.deployments()).find(
        ({ mode, status, weightBps, modelVersion }) => mode === 'LIVE' && status === 'READY' && weightBps === 10_000 && modelVersion.version === version,
      );
      if (live) return live;
      await pause(100);
    }
    throw new Error(`the endpoint did not serve version ${version} within 30 s`);
  }

  private async predict(rows: Flight[]): Promise<{ latencyMs: number; version: number; late: number }> {
    const { predict } = await this.options.api.request<{
      predict: { latencyMs: number; modelVersion: { version: number }; predictions: { label: string; probabilities: number[] }[] };
    }>(document('predict'), { endpoint: this.endpointName, rows });
    must(predict.predictions.length === rows.length, 'a prediction per row is expected');
    const late = predict.predictions.reduce((sum, prediction) => sum + (prediction.probabilities[1] ?? 0), 0) / rows.length;
    return { latencyMs: predict.latencyMs, version: predict.modelVersion.version, late };
  }

  private async sendTraffic(from: string, to: string, others: boolean, rows: number): Promise<Figures> {
    const { flights, terminal } = this.options;
    const traffic = await flights.traffic({ from, to, others, rows, seed: ++this.seed });
    const latencies: number[] = [];
    let late = 0;
    const queue = Array.from({ length: Math.ceil(traffic.length / ROWS_PER_REQUEST) }, (_, i) => traffic.slice(i * ROWS_PER_REQUEST, (i + 1) * ROWS_PER_REQUEST));
    const requests = queue.length;
    const startedAt = performance.now();
    await Promise.all(
      Array.from({ length: REQUESTS_AT_ONCE }, async () => {
        for (let batch = queue.pop(); batch; batch = queue.pop()) {
          const answer = await this.predict(batch);
          latencies.push(answer.latencyMs);
          late += answer.late * batch.length;
          terminal.live([`${bar(latencies.length / requests)}  ${count(latencies.length)} of ${count(requests)} requests`]);
        }
      }),
    );
    latencies.sort((a, b) => a - b);
    const p95 = latencies[Math.floor(latencies.length * 0.95)] ?? 0;
    const perSecond = requests / ((performance.now() - startedAt) / 1000);
    terminal.note(`${count(requests)} requests of ${ROWS_PER_REQUEST} flights, ${perSecond.toFixed(0)} a second, p95 ${p95.toFixed(1)} ms, mean chance of delay ${((late / traffic.length) * 100).toFixed(1)} %`);
    return { requests, rows: traffic.length, latencyP95Ms: round(p95), meanLateProbability: round(late / traffic.length) };
  }

  /** The window of traffic since the last one; null while there is not enough. */
  private async monitor(): Promise<{ drifted: boolean; table: string[][] } | null> {
    const { runMonitoring } = await this.options.api.request<{
      runMonitoring: {
        window: {
          drift: {
            rows: number;
            drifted: boolean;
            prediction: { sigmas: number; drifted: boolean };
            features: { feature: string; psi: number; adjustedPValue: number; drifted: boolean }[];
          } | null;
        } | null;
      };
    }>(document('runMonitoring'), { deploymentId: this.deploymentId });
    const drift = runMonitoring.window?.drift;
    if (!drift) return null;
    const table = [
      ['', 'PSI', 'p', 'drifted'],
      ...drift.features.map((feature) => [feature.feature, feature.psi.toFixed(3), feature.adjustedPValue.toExponential(1), feature.drifted ? 'yes' : 'no']),
      ['mean prediction', `${drift.prediction.sigmas.toFixed(1)} σ`, '', drift.prediction.drifted ? 'yes' : 'no'],
    ];
    return { drifted: drift.features.some((feature) => feature.drifted), table };
  }

  private async monitorQuiet(): Promise<Figures> {
    const { api, terminal } = this.options;
    let window = null;
    for (let tries = 0; tries < 20 && !window; tries++) {
      await pause(500);
      window = await this.monitor();
    }
    const { monitoringWindows } = await api.request<{ monitoringWindows: { totalCount: number } }>(document('monitoringWindows'), { deploymentId: this.deploymentId });
    const { alerts } = await api.request<{ alerts: { totalCount: number } }>(document('alerts'), { filter: { endpointId: this.endpointId, status: 'OPEN' } });
    if (window) terminal.table(window.table);
    must(monitoringWindows.totalCount > 0, 'no monitoring window was written');
    must(!window?.drifted, 'drift was reported on traffic like the training data');
    terminal.note(`${monitoringWindows.totalCount} windows, ${alerts.totalCount} open alerts`);
    return { windows: monitoringWindows.totalCount, openAlerts: alerts.totalCount };
  }

  private async sendUntilDrift(): Promise<{ alertId: string; figures: Figures }> {
    const { api, terminal } = this.options;
    let alertId = '';
    let message = '';
    const { events } = await api.request<{ events: { nodes: { seq: number | null }[] } }>(document('newestEvent'));
    const noticed = api.follow<{ change: string; kind: string; message: string; alert: { id: string } }>(
      document('followAlerts'),
      { modelId: this.modelId, after: events.nodes[0]?.seq ?? 0 },
      (event) => {
        if (event.change !== 'OPENED' || event.kind !== 'DRIFT') return false;
        alertId = event.alert.id;
        message = event.message;
        return true;
      },
    );
    let rows = 0;
    for (let rounds = 0; rounds < 20 && !alertId; rounds++) {
      const sent = await this.sendTraffic('2001-05-15', '2001-06-20', true, 600);
      rows += Number(sent['rows']);
      await Promise.race([noticed, pause(1_000)]);
      if (!alertId) await this.monitor();
      await Promise.race([noticed, pause(1_000)]);
    }
    must(alertId !== '', `no drift was noticed over ${rows} different flights`);
    terminal.note(`alert after ${count(rows)} flights: ${message}`);
    return { alertId, figures: { rowsUntilAlert: rows, alert: message } };
  }

  private async awaitRetraining(alertId: string): Promise<{ version: Version; figures: Figures }> {
    const { api, terminal } = this.options;
    let jobId = '';
    for (let tries = 0; tries < 120 && !jobId; tries++) {
      const { events } = await api.request<{ events: { nodes: { type: string; payload: Record<string, unknown> }[] } }>(document('retrainingEvents'), { alertId });
      const event = events.nodes[0];
      must(event?.type !== 'RETRAINING_SKIPPED', `the retraining was skipped: ${String(event?.payload['reason'])}`);
      jobId = String(event?.payload['jobId'] ?? '');
      if (!jobId) await pause(500);
    }
    must(jobId !== '', 'the alert started no training');
    await this.awaitJob(jobId);
    let version: Version | undefined;
    for (let tries = 0; tries < 60 && !version; tries++) {
      const { modelVersions } = await api.request<{ modelVersions: { nodes: (Version & { status: string })[] } }>(document('versionsOfModel'), { modelId: this.modelId });
      version = modelVersions.nodes.find((candidate) => candidate.version === 2 && candidate.status === 'READY');
      if (!version) await pause(250);
    }
    must(version !== undefined, 'the retraining registered no version');
    terminal.note(`version ${version.version} (${version.semanticVersion}) awaits its gates`);
    return { version, figures: { version: version.version, semanticVersion: version.semanticVersion, stage: version.stage } };
  }

  private async shadow(version: Version): Promise<Figures> {
    const { api, terminal } = this.options;
    const { deployModelVersion } = await api.request<{ deployModelVersion: { deployment: { id: string } } }>(document('deployModelVersion'), {
      endpointId: this.endpointId,
      modelVersionId: version.id,
      mode: 'SHADOW',
    });
    const deploymentId = deployModelVersion.deployment.id;
    for (let tries = 0; ; tries++) {
      const shadow = (await this.deployments()).find((deployment) => deployment.id === deploymentId);
      if (shadow?.status === 'READY') break;
      must(tries < 300 && shadow?.status === 'PENDING', `the shadow is ${shadow?.status ?? 'gone'}`);
      await pause(100);
    }
    await this.sendTraffic('2001-05-15', '2001-06-15', false, 2_000);
    let gate: Gate | null = null;
    for (let tries = 0; tries < 20 && !gate?.passed; tries++) {
      await pause(500);
      const { decideShadow } = await api.request<{ decideShadow: { gateResult: Gate } }>(document('decideShadow'), { deploymentId });
      gate = decideShadow.gateResult;
    }
    must(gate !== null, 'the shadow was not decided');
    terminal.table([['check', 'expected', 'got'], ...gate.checks.map((check) => [`${check.passed ? '✓' : '✗'} ${check.name}`, check.expected, check.got])]);
    must(gate.passed, `the shadow gate did not pass: ${failedChecks(gate)}`);
    return { passed: gate.passed, checks: gate.checks.length };
  }

  private async promoteToProduction(candidate: Version, present: Version): Promise<Figures> {
    const { terminal } = this.options;
    const promoted = await this.promoteTo(candidate, 'PRODUCTION', present.id);
    const startedAt = performance.now();
    const live = await this.awaitLive(promoted.version);
    this.deploymentId = live.id;
    const [flight] = await this.options.flights.traffic({ from: '2001-06-20', to: '2001-06-30', others: false, rows: 1, seed: 99 });
    const answer = await this.predict(flight ? [flight] : []);
    must(answer.version === promoted.version, `version ${answer.version} answered`);
    terminal.note(`version ${answer.version} answers, ${duration(performance.now() - startedAt)} after the promotion`);
    return { version: answer.version };
  }

  private async rollBackAndForward(earlier: Version, later: Version): Promise<Figures> {
    const { api, terminal } = this.options;
    const { rollbackModel } = await api.request<{ rollbackModel: { restored: Version } }>(document('rollbackModel'), {
      modelId: this.modelId,
      expectedProductionVersionId: later.id,
      reason: 'The demo shows the way back',
    });
    must(rollbackModel.restored.id === earlier.id, 'another version was restored');
    await this.awaitLive(earlier.version);
    terminal.note(`back: version ${earlier.version} serves`);
    await this.promoteTo(later, 'STAGING', null);
    await this.promoteTo(later, 'PRODUCTION', earlier.id);
    await this.awaitLive(later.version);
    terminal.note(`forward: version ${later.version} serves, on its earlier evidence`);
    return { back: earlier.version, forward: later.version };
  }

  private async batch(version: Version): Promise<Figures> {
    const { api, terminal } = this.options;
    const { datasets } = await api.request<{ datasets: { nodes: { id: string; rowCount: number }[] } }>(document('searchDatasets'), { filter: { search: this.datasetName, latestOnly: true } });
    const dataset = datasets.nodes[0];
    const { startBatchInference } = await api.request<{ startBatchInference: { job: { id: string } } }>(document('startBatchInference'), {
      input: { modelVersionId: version.id, datasetId: dataset?.id, keyColumns: ['date', 'origin', 'destination'] },
    });
    const startedAt = performance.now();
    const job = await this.awaitJob(startBatchInference.job.id);
    const rows = Number(job.result?.['rows']);
    must(rows === dataset?.rowCount, `${rows} predictions for ${dataset?.rowCount} rows`);
    const perSecond = rows / ((performance.now() - startedAt) / 1000);
    terminal.note(`${count(rows)} flights predicted, ${count(Math.round(perSecond))} a second, as Parquet`);
    return { rows, rowsPerSecond: Math.round(perSecond) };
  }

  private async readHistory(): Promise<Figures> {
    const { api, terminal } = this.options;
    const { modelHistory } = await api.request<{ modelHistory: { nodes: { fromStage: string; toStage: string; createdAt: string; modelVersion: { version: number } }[] } }>(
      document('modelHistory'),
      { modelId: this.modelId },
    );
    const history = modelHistory.nodes.toReversed();
    terminal.table([['version', 'from', 'to', 'at'], ...history.map((step) => [String(step.modelVersion.version), step.fromStage, step.toStage, step.createdAt.slice(11, 19)])]);
    return { stageChanges: history.length };
  }

  private async metricsOf(runId: string): Promise<{ metrics: Map<string, number> }> {
    const { runs } = await this.options.api.request<{ runs: { nodes: { id: string; metrics: { key: string; value: number }[] }[] } }>(document('runsOfExperiment'), {
      experimentId: this.experimentId,
    });
    const run = runs.nodes.find((candidate) => candidate.id === runId);
    return { metrics: new Map(run?.metrics.map((metric) => [metric.key, metric.value])) };
  }

  private async passedGate(version: Version, name: string): Promise<Gate> {
    const { modelVersion } = await this.options.api.request<{ modelVersion: { gates: Gate[] } }>(document('gates'), { modelVersionId: version.id });
    const gate = modelVersion.gates.find((candidate) => candidate.gate === name);
    must(gate !== undefined, `gate ${name} was not decided`);
    must(gate.passed, `gate ${name} did not pass: ${failedChecks(gate)}`);
    return gate;
  }

  private async awaitJob(jobId: string): Promise<JobView> {
    const { api, terminal } = this.options;
    await api.follow<{ status: string; progress: number; message: string }>(document('followJob'), { jobId }, (step) => {
      terminal.live([`${bar(step.progress)}  ${step.message.slice(0, 70)}`]);
      return ['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(step.status);
    });
    return this.succeeded(jobId);
  }

  private async succeeded(jobId: string): Promise<JobView> {
    const { job } = await this.options.api.request<{ job: JobView }>(document('job'), { id: jobId });
    must(job.status === 'SUCCEEDED', `the job is ${job.status}: ${job.errorMessage ?? 'no reason given'}`);
    return job;
  }
}

function interval(low: number | null, high: number | null): string {
  return low === null || high === null ? '' : `${low.toFixed(4)} – ${high.toFixed(4)}`;
}

function failedChecks(gate: Gate): string {
  return gate.checks
    .filter((check) => !check.passed)
    .map((check) => `${check.name}: expected ${check.expected}, got ${check.got}`)
    .join('; ');
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function present(version: Version | null): Version {
  must(version !== null, 'the version is not registered');
  return version;
}

function round(value: number): number {
  return Number(value.toFixed(5));
}
