import {
  CreateEndpointDocument,
  DeployModelVersionDocument,
  EndpointTrafficDocument,
  FollowCanaryDocument,
  LabelledPredictDocument,
  RecordGroundTruthDocument,
  RegisterModelVersionDocument,
  StartCanaryDocument,
  StartTrainingDocument,
  RegisterDatasetDocument,
  type FollowCanarySubscription,
} from '../schema/generated/operations.ts';
import { rm } from 'node:fs/promises';
import { Part } from './part.ts';
import { bar, duration } from './terminal.ts';
import { FEATURES } from './training-part.ts';
import { pause, round, type Version } from './views.ts';
import { must, type Figures } from './walk.ts';

type Live = FollowCanarySubscription['canaryProgress'];

const ROWS_PER_REQUEST = 5;
const REQUESTS_AT_ONCE = 8;
/** A proven failure comes much earlier. */
const MAX_REQUESTS = 4_000;

/** A version that learned from shuffled labels begins to serve, and is rolled back by itself. */
export class CanaryPart extends Part {
  async rollBackByItself(serving: Version): Promise<{ worse: Version; figures: Figures }> {
    const { api, terminal } = this.options;
    const worse = await this.trainOnShuffledLabels();
    const name = `${this.state.endpointName}-canary`;
    const { createEndpoint } = await api.request(CreateEndpointDocument, {
      input: { name, modelId: this.state.modelId, slaLatencyP95Ms: 200, logSampleRate: 1 },
    });
    const endpointId = createEndpoint.endpoint.id;
    await api.request(DeployModelVersionDocument, { endpointId, modelVersionId: serving.id, mode: 'LIVE' });
    await this.untilServing(endpointId);
    const { startCanary } = await api.request(StartCanaryDocument, {
      endpointId,
      modelVersionId: worse.id,
      guards: [{ kind: 'ERROR_RATE' }, { kind: 'WRONG_ANSWERS' }],
    });
    let last: Live | null = null;
    let ended = false;
    const followed = api.follow(FollowCanaryDocument, { id: startCanary.canary.id }, (canary) => {
      last = canary;
      terminal.live(linesOf(canary));
      ended = canary.status === 'ROLLED_BACK' || canary.status === 'PROMOTED' || canary.status === 'ABORTED';
      return ended;
    });
    const startedAt = performance.now();
    const requests = await this.sendUntil(name, () => ended);
    await followed;
    const canary = last as Live | null;
    must(canary?.status === 'ROLLED_BACK', `the canary is ${canary?.status}: ${canary?.reason}`);
    terminal.note(`${canary.reason}`);
    terminal.note(`rolled back by itself after ${duration(performance.now() - startedAt)}, ${requests} requests`);
    const wrong = canary.judgement.find(({ kind }) => kind === 'WRONG_ANSWERS');
    const figures = {
      requests,
      canaryWrong: round(wrong?.canary.value ?? NaN),
      controlWrong: round(wrong?.control.value ?? NaN),
      weightOfOld: canary.stableDeployment?.weightBps ?? 0,
    };
    return { worse, figures };
  }

  /** The same flights, of which each has the delay of another one. */
  private async trainOnShuffledLabels(): Promise<Version> {
    const { api, flights, folder } = this.options;
    const name = `${this.state.datasetName}-shuffled`;
    const path = await flights.exportShuffled(folder, name, '2001-03-01', '2001-04-01');
    const uploadId = await api.upload(path);
    await rm(path);
    const { dataset } = (await api.request(RegisterDatasetDocument, { name, uploadId })).registerDataset;
    const { startTraining } = await api.request(StartTrainingDocument, {
      input: {
        experimentId: this.state.experimentId,
        datasetId: dataset.id,
        runName: 'shuffled labels',
        config: {
          algorithm: 'LOGISTIC_REGRESSION',
          target: { column: 'delay', greaterThan: 15 },
          features: FEATURES,
          split: { by: 'TIME', column: 'date', validation: 0.15, holdout: 0.15 },
          sampleRows: 30_000,
          hyperparameters: { maxCategories: 250 },
          decisionThreshold: { by: 'F1' },
          seed: 7,
        },
      },
    });
    await this.awaitJob(startTraining.job.id);
    const { registerModelVersion } = await api.request(RegisterModelVersionDocument, {
      modelId: this.state.modelId,
      runId: startTraining.run.id,
    });
    return registerModelVersion.modelVersion;
  }

  private async untilServing(endpointId: string): Promise<void> {
    const { api } = this.options;
    for (let tries = 0; tries < 300; tries++) {
      const { endpoint } = await api.request(EndpointTrafficDocument, { endpointId });
      if (endpoint.deployments.some(({ weightBps, status }) => status === 'READY' && weightBps === 10_000)) return;
      await pause(100);
    }
    throw new Error('the endpoint of the canary did not serve within 30 s');
  }

  /** Real flights, and a moment later whether they were late, until the canary has ended. */
  private async sendUntil(endpoint: string, hasEnded: () => boolean): Promise<number> {
    const { api, flights } = this.options;
    const rows = await flights.labelled('2001-06-01', '2001-06-20', MAX_REQUESTS * ROWS_PER_REQUEST);
    const queue = Array.from({ length: Math.ceil(rows.length / ROWS_PER_REQUEST) }, (_, i) =>
      rows.slice(i * ROWS_PER_REQUEST, (i + 1) * ROWS_PER_REQUEST),
    );
    let requests = 0;
    let waiting: { requestId: string; row: number; label: string }[] = [];
    const label = async () => {
      const records = waiting;
      waiting = [];
      // Predictions are logged within two seconds.
      await pause(2_500);
      for (let i = 0; i < records.length; i += 1_000)
        await api.request(RecordGroundTruthDocument, { endpoint, records: records.slice(i, i + 1_000) });
    };
    const labelling: Promise<void>[] = [];
    await Promise.all(
      Array.from({ length: REQUESTS_AT_ONCE }, async () => {
        for (let batch = queue.pop(); batch && !hasEnded(); batch = queue.pop()) {
          const { predict } = await api.request(LabelledPredictDocument, {
            endpoint,
            rows: batch.map(({ late: _late, ...flight }) => flight),
          });
          requests++;
          const { requestId } = predict;
          const classes = predict.predictions[0]?.probabilityByClass?.map((one) => one.label) ?? [];
          batch.forEach(({ late }, row) => waiting.push({ requestId, row, label: classes[late ? 1 : 0] ?? '' }));
          if (waiting.length >= 1_000) labelling.push(label());
        }
      }),
    );
    labelling.push(label());
    await Promise.all(labelling);
    return requests;
  }
}

function linesOf({ status, reason, judgement, canaryDeployment }: Live): string[] {
  const share = (canaryDeployment?.weightBps ?? 0) / 10_000;
  return [
    `${bar(share, 20)} of the traffic to the canary, ${status}: ${reason.slice(0, 60)}`,
    ...judgement.map(({ kind, verdict, canary, control }) => {
      const shown = ({ low, high }: { low: number; high: number | null }) =>
        `${(low * 100).toFixed(1)} – ${((high ?? 1) * 100).toFixed(1)} %`;
      return `${kind.padEnd(14)} canary ${shown(canary)}   control ${shown(control)}   ${verdict}`;
    }),
  ];
}
