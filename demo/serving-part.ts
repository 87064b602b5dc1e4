import {
  CreateEndpointDocument,
  DecideShadowDocument,
  DeployModelVersionDocument,
  EndpointTrafficDocument,
  PredictDocument,
  StartBatchInferenceDocument,
} from '../schema/generated/operations.ts';
import type { Flight } from './flights.ts';
import { Part } from './part.ts';
import { bar, count, duration } from './terminal.ts';
import { failedChecks, pause, round, type DeploymentView, type Gate, type Version } from './views.ts';
import { must, type Figures } from './walk.ts';

const ROWS_PER_REQUEST = 5;
const REQUESTS_AT_ONCE = 8;

/** Endpoints, traffic, shadows, batch inference. */
export class ServingPart extends Part {
  private seed = 0;

  async deploy(): Promise<Figures> {
    const { api, terminal } = this.options;
    const { createEndpoint } = await api.request(CreateEndpointDocument, {
      input: {
        name: this.state.endpointName,
        modelId: this.state.modelId,
        followStage: 'PRODUCTION',
        slaLatencyP95Ms: 200,
        logSampleRate: 1,
      },
    });
    this.state.endpointId = createEndpoint.endpoint.id;
    const startedAt = performance.now();
    const deployment = await this.awaitLive(1);
    this.state.deploymentId = deployment.id;
    terminal.note(
      `POST /graphql  predict(endpointName: "${createEndpoint.endpoint.name}")  ready after ` +
        `${duration(performance.now() - startedAt)}`,
    );
    return { endpoint: createEndpoint.endpoint.name, version: 1 };
  }

  private async deployments(): Promise<DeploymentView[]> {
    const { endpoint } = await this.options.api.request(EndpointTrafficDocument, {
      endpointId: this.state.endpointId,
    });
    return endpoint.deployments;
  }

  /** Waits until the endpoint serves the version with all its traffic. */
  async awaitLive(version: number): Promise<{ id: string }> {
    for (let tries = 0; tries < 300; tries++) {
      const live = (await this.deployments()).find(
        ({ mode, status, weightBps, modelVersion }) =>
          mode === 'LIVE' && status === 'READY' && weightBps === 10_000 && modelVersion.version === version,
      );
      if (live) return live;
      await pause(100);
    }
    throw new Error(`the endpoint did not serve version ${version} within 30 s`);
  }

  async predict(rows: Flight[]): Promise<{ latencyMs: number; version: number; late: number }> {
    const { predict } = await this.options.api.request(PredictDocument, { endpoint: this.state.endpointName, rows });
    must(predict.predictions.length === rows.length, 'a prediction per row is expected');
    const late =
      predict.predictions.reduce((sum, prediction) => sum + (prediction.probabilities?.[1] ?? 0), 0) / rows.length;
    return { latencyMs: predict.latencyMs, version: predict.modelVersion.version, late };
  }

  /** Predicts two flights of one route, as a person would ask. */
  async askForTwo(): Promise<Figures> {
    const { terminal } = this.options;
    const route = { origin: 'ORD', destination: 'LGA', distance: 733 };
    const flights = [
      { title: 'Friday, 06:30', date: '2001-03-30T06:30:00.000Z' },
      { title: 'Friday, 20:15', date: '2001-03-30T20:15:00.000Z' },
    ];
    const figures: Figures = {};
    for (const { title, date } of flights) {
      const { late, latencyMs } = await this.predict([{ ...route, date }]);
      terminal.note(`Chicago → New York, ${title}: ${bar(late, 20)} chance to be late, in ${latencyMs.toFixed(1)} ms`);
      figures[title] = round(late);
    }
    return figures;
  }

  async sendTraffic(from: string, to: string, others: boolean, rows: number): Promise<Figures> {
    const { flights, terminal } = this.options;
    const traffic = await flights.traffic({ from, to, others, rows, seed: ++this.seed });
    const latencies: number[] = [];
    let late = 0;
    const queue = Array.from({ length: Math.ceil(traffic.length / ROWS_PER_REQUEST) }, (_, i) =>
      traffic.slice(i * ROWS_PER_REQUEST, (i + 1) * ROWS_PER_REQUEST),
    );
    const requests = queue.length;
    const startedAt = performance.now();
    await Promise.all(
      Array.from({ length: REQUESTS_AT_ONCE }, async () => {
        for (let batch = queue.pop(); batch; batch = queue.pop()) {
          const answer = await this.predict(batch);
          latencies.push(answer.latencyMs);
          late += answer.late * batch.length;
          terminal.live([
            `${bar(latencies.length / requests)}  ${count(latencies.length)} of ${count(requests)} requests`,
          ]);
        }
      }),
    );
    latencies.sort((a, b) => a - b);
    const p95 = latencies[Math.floor(latencies.length * 0.95)] ?? 0;
    const perSecond = requests / ((performance.now() - startedAt) / 1000);
    terminal.note(
      `${count(requests)} requests of ${ROWS_PER_REQUEST} flights, ${perSecond.toFixed(0)} a second, p95 ` +
        `${p95.toFixed(1)} ms, mean chance of delay ${((late / traffic.length) * 100).toFixed(1)} %`,
    );
    return {
      requests,
      rows: traffic.length,
      latencyP95Ms: round(p95),
      meanLateProbability: round(late / traffic.length),
    };
  }

  async shadow(version: Version): Promise<Figures> {
    const { api, terminal } = this.options;
    const { deployModelVersion } = await api.request(DeployModelVersionDocument, {
      endpointId: this.state.endpointId,
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
      const { decideShadow } = await api.request(DecideShadowDocument, {
        deploymentId,
      });
      gate = decideShadow.gateResult;
    }
    must(gate !== null, 'the shadow was not decided');
    terminal.table([
      ['check', 'expected', 'got'],
      ...gate.checks.map((check) => [`${check.passed ? '✓' : '✗'} ${check.name}`, check.expected, check.got]),
    ]);
    must(gate.passed, `the shadow gate did not pass: ${failedChecks(gate)}`);
    return { passed: gate.passed, checks: gate.checks.length };
  }

  async batch(version: Version, dataset: { id: string; rowCount: number }): Promise<Figures> {
    const { api, terminal } = this.options;
    const { startBatchInference } = await api.request(StartBatchInferenceDocument, {
      input: { modelVersionId: version.id, datasetId: dataset.id, keyColumns: ['date', 'origin', 'destination'] },
    });
    const startedAt = performance.now();
    const job = await this.awaitJob(startBatchInference.job.id);
    must(job.outcome !== null && 'rows' in job.outcome, 'a batch inference is expected');
    const { rows } = job.outcome;
    must(rows === dataset.rowCount, `${rows} predictions for ${dataset.rowCount} rows`);
    const perSecond = rows / ((performance.now() - startedAt) / 1000);
    terminal.note(`${count(rows)} flights predicted, ${count(Math.round(perSecond))} a second, as Parquet`);
    return { rows, rowsPerSecond: Math.round(perSecond) };
  }
}
