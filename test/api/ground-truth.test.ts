// One file because its tests share one running service, which takes longer to start than most of the tests.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import type { Signature } from '../../src/modules/model-contract/rules/tensor.js';
import { classificationMetrics, regressionMetrics } from '../../src/modules/statistics/rules/metrics.js';
import { linear, linearClassifier } from '../fixtures/models/build.js';
import { type Caller, type GraphQLErrorShape, startTestService, type TestService } from '../support/service.js';
import { type NewVersion, predict, serve, xToY } from '../support/serving.js';
import { TrafficWriter } from '../support/traffic.js';
import {
  LiveQualityDetailsDocument,
  type LiveQualityDetailsQuery,
  type LiveQualityDetailsQueryVariables,
  PredictDetailsDocument,
  PredictionDetailsDocument,
  PredictionErrorCodeDocument,
  PredictionsDetailsDocument,
  RecordGroundTruthDetailsDocument,
  type GroundTruthInput,
  type PredictionsDetailsQuery,
} from '../generated/operations.js';

let service: TestService;
let traffic: TrafficWriter;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  traffic = await TrafficWriter.connect(service.database.url);
  tess = await service.as();
});
afterAll(async () => {
  await traffic?.end();
  await service?.close();
});

const record = async (endpointName: string, records: GroundTruthInput[]) =>
  (await tess.ok(RecordGroundTruthDetailsDocument, { input: { endpointName, records } })).recordGroundTruth;
const refusal = (endpointName: string, records: object[]) =>
  tess.fails(RecordGroundTruthDetailsDocument, { input: { endpointName, records } });

const read = async (name: string, id: string) =>
  (await tess.ok(PredictionDetailsDocument, { endpointName: name, requestId: id })).prediction;

type Figures = Omit<LiveQualityDetailsQuery['liveQuality'], 'servedRows' | 'windows'>;
const quality = async (endpointName: string, variables: LiveQualityDetailsQueryVariables = {}) =>
  (await tess.ok(LiveQualityDetailsDocument, { endpointName, ...variables })).liveQuality;

const newName = () => `e-${randomUUID()}`;

/** `y = 2x + 1`. */
const LINE: NewVersion = { bytes: linear([2], 1), signature: xToY(1), task: 'REGRESSION' };

function classifier(classes: string[], weights: number[][], intercepts: number[]): NewVersion {
  const signature: Signature = {
    inputs: [{ name: 'X', datatype: 'FP32', shape: [-1, weights[0]!.length] }],
    outputs: [
      { name: 'label', datatype: 'BYTES', shape: [-1] },
      { name: 'probabilities', datatype: 'FP32', shape: [-1, classes.length] },
    ],
    classes,
  };
  return { bytes: linearClassifier(classes, weights, intercepts), signature, task: 'CLASSIFICATION' };
}
const TWO = classifier(['no', 'yes'], [[-1], [1]], [0, 0]);
const THREE = classifier(['a', 'b', 'c'], [[-1], [0], [1]], [0, 0.5, 0]);

describe('predictions', () => {
  it('are returned by their request id at once, with inputs, answers and, when recorded, ground truth', async () => {
    const name = newName();
    const { deploymentId, versionId } = await serve(service, tess, TWO, { name });
    const answer = await predict(tess, { endpointName: name, rows: [{ X: 2 }, { X: -1 }], requestId: 'first' });
    const found = await read(name, 'first');
    expect(found).toMatchObject({
      requestId: 'first',
      rows: 2,
      errorCode: null,
      inputs: { X: [2, -1] },
      deployment: { id: deploymentId },
      modelVersion: { id: versionId },
    });
    expect(found.answers.map(({ label }) => label)).toEqual(['yes', 'no']);
    found.answers.forEach(({ probabilities }, row) =>
      probabilities!.forEach((one, k) => expect(one).toBeCloseTo(answer.predictions[row]!.probabilities![k]!, 6)),
    );
    expect(found.answers.map(({ truth }) => truth)).toEqual([null, null]);
    expect(
      await record(name, [{ requestId: 'first', row: 1, label: 'yes', observedAt: '2026-01-02T03:04:05.000Z' }]),
    ).toEqual({
      added: 1,
      replaced: 0,
      unchanged: 0,
      rejected: [],
    });
    expect((await read(name, 'first')).answers[1]!.truth).toMatchObject({
      label: 'yes',
      createdBy: 'tess',
      observedAt: '2026-01-02T03:04:05.000Z',
      history: [],
    });
    const viewer = await service.as({ role: Role.VIEWER });
    expect(
      (await viewer.fails(PredictionDetailsDocument, { endpointName: name, requestId: 'first' })).extensions.code,
    ).toBe('FORBIDDEN');
    const stranger = await service.as({ tenant: 'other' });
    expect(
      (await stranger.fails(PredictionDetailsDocument, { endpointName: name, requestId: 'first' })).extensions.code,
    ).toBe('NOT_FOUND');
  });

  it('are listed newest first, in pages, by deployment and time', async () => {
    const name = newName();
    const { deploymentId } = await serve(service, tess, LINE, { name });
    for (let i = 0; i < 5; i++) {
      await predict(tess, { endpointName: name, rows: [{ x: i }], requestId: `r${i}` });
      await service.app.context.services.traffic.flush();
    }
    const ids: string[] = [];
    let after: string | null = null;
    do {
      const { predictions }: PredictionsDetailsQuery = await tess.ok(PredictionsDetailsDocument, {
        endpointName: name,
        first: 2,
        after,
      });
      ids.push(...predictions.nodes.map(({ requestId }) => requestId));
      expect(predictions.totalCount).toBe(5);
      after = predictions.pageInfo.hasNextPage ? predictions.pageInfo.endCursor : null;
    } while (after);
    expect(ids).toEqual(['r4', 'r3', 'r2', 'r1', 'r0']);
    const { predictions } = await tess.ok(PredictionsDetailsDocument, {
      endpointName: name,
      filter: { requestId: 'r3', deploymentId },
    });
    expect(predictions.nodes).toEqual([{ requestId: 'r3', answers: [{ value: 7 }] }]);
  });

  it('explain why they cannot be read: not sampled, never made, failed, used twice', async () => {
    const [sampled, name] = [newName(), newName()];
    await serve(service, tess, LINE, { name: sampled, logSampleRate: 0 });
    const { endpointId, deploymentId } = await serve(service, tess, LINE, { name });
    await predict(tess, { endpointName: sampled, rows: [{ x: 1 }], requestId: 'unlogged' });
    const unlogged = await tess.fails(PredictionDetailsDocument, { endpointName: sampled, requestId: 'unlogged' });
    expect(unlogged).toMatchObject({ extensions: { code: 'NOT_FOUND', got: '"unlogged"' } });
    expect(unlogged.message).toContain('logs 0 of its requests, and this one is not among them');
    const absent = await tess.fails(PredictionDetailsDocument, { endpointName: name, requestId: 'never' });
    expect(absent.extensions.code).toBe('NOT_FOUND');
    expect(absent.message).toContain('was made more than 30 days ago');
    // This process refuses the second request at once; another process would answer it, and log it.
    await predict(tess, { endpointName: name, rows: [{ x: 1 }], requestId: 'twice' });
    const second = await tess.fails(PredictDetailsDocument, {
      input: { endpointName: name, rows: [{ x: 2 }], requestId: 'twice' },
    });
    expect(second).toMatchObject({ extensions: { code: 'CONFLICT', field: 'input.requestId', got: '"twice"' } });
    expect((await read(name, 'twice')).inputs).toEqual({ x: [1] });
    await traffic.query(
      `insert into prediction_log (id, tenant, endpoint_id, deployment_id, model_version_id, mode, request_id, rows,
        latency_ms, inputs, scores, answers)
       select gen_random_uuid(), tenant, endpoint_id, deployment_id, model_version_id, mode, request_id, rows,
         latency_ms, inputs, scores, answers from prediction_log where request_id = 'twice' and endpoint_id = $1`,
      [endpointId],
    );
    for (const error of [
      await tess.fails(PredictionDetailsDocument, { endpointName: name, requestId: 'twice' }),
      await refusal(name, [{ requestId: 'twice', value: 1 }]),
    ]) {
      expect(error.extensions.code).toBe('CONFLICT');
      expect(error.message).toContain('stands for several requests');
    }
    // The same id at another endpoint is another request.
    await predict(tess, { endpointName: sampled, rows: [{ x: 1 }], requestId: 'twice' });
    // A refused request does not use up its id.
    const refused = await tess.send(PredictDetailsDocument, {
      input: { endpointName: name, rows: [{ x: 'one' }], requestId: 'again' },
    });
    expect(refused.errors?.[0]?.extensions.code).toBe('INVALID_TENSOR');
    await predict(tess, { endpointName: name, rows: [{ x: 1 }], requestId: 'again' });
    await traffic.query(
      `insert into prediction_log (id, tenant, endpoint_id, deployment_id, model_version_id, mode, request_id, rows,
        latency_ms, error_code, inputs, scores)
       select gen_random_uuid(), 'acme', $1, $2, model_version_id, 'LIVE', 'failed', 1, 1, 'DEADLINE_EXCEEDED',
         '{}', '[]' from deployment where id = $2`,
      [endpointId, deploymentId],
    );
    expect(await tess.ok(PredictionErrorCodeDocument, { endpointName: name, requestId: 'failed' })).toEqual({
      prediction: { errorCode: 'DEADLINE_EXCEEDED', answers: [] },
    });
    expect((await refusal(name, [{ requestId: 'failed', value: 1 }])).message).toContain(
      'failed with DEADLINE_EXCEEDED',
    );
  });
});

describe('ground truth', () => {
  it('accepts the good records of a batch and names each bad one', async () => {
    const name = newName();
    await serve(service, tess, TWO, { name });
    await predict(tess, { endpointName: name, rows: [{ X: 2 }, { X: -1 }], requestId: 'a' });
    const result = await record(name, [
      { requestId: 'a', row: 0, label: 'yes' },
      { requestId: 'absent', row: 0, label: 'yes' },
      { requestId: 'a', row: 2, label: 'yes' },
      { requestId: 'a', row: -1, label: 'yes' },
      { requestId: 'a', row: 1, label: 'maybe' },
      { requestId: 'a', row: 1, value: 1 },
      { requestId: 'a', row: 1 },
      { requestId: '', row: 1, label: 'no' },
      { requestId: 'a', row: 0, label: 'no' },
      { requestId: 'a', row: 0, label: 'yes' },
    ]);
    expect({ ...result, rejected: result.rejected.map(({ index, code }) => [index, code]) }).toEqual({
      added: 1,
      replaced: 0,
      unchanged: 0,
      rejected: [
        [1, 'NOT_FOUND'],
        [2, 'BAD_USER_INPUT'],
        [3, 'BAD_USER_INPUT'],
        [4, 'BAD_USER_INPUT'],
        [5, 'BAD_USER_INPUT'],
        [6, 'BAD_USER_INPUT'],
        [7, 'BAD_USER_INPUT'],
        [8, 'BAD_USER_INPUT'],
      ],
    });
    expect(result.rejected[3]!.message).toBe(
      'input.records[4].label: expected one of the classes no, yes, got "maybe".',
    );
    expect(result.rejected[1]!.message).toContain('a row from 0 to 1');
    const none: GraphQLErrorShape = await refusal(name, [
      { requestId: 'x', label: 'no' },
      { requestId: 'y', label: 'no' },
    ]);
    expect(none.extensions).toMatchObject({
      code: 'NOT_FOUND',
      field: 'input.records[0]',
      problems: [{ index: 0 }, { index: 1 }],
    });
    expect((await refusal(name, [])).extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.records' });
  });

  it('may be sent again, and replaces the earlier value, with its history', async () => {
    const name = newName();
    await serve(service, tess, TWO, { name });
    await predict(tess, { endpointName: name, rows: [{ X: 2 }], requestId: 'a' });
    const told = (label: string) => record(name, [{ requestId: 'a', label }]);
    expect(await told('no')).toMatchObject({ added: 1, replaced: 0, unchanged: 0 });
    expect(await told('no')).toMatchObject({ added: 0, replaced: 0, unchanged: 1 });
    expect(await told('yes')).toMatchObject({ added: 0, replaced: 1, unchanged: 0 });
    expect((await read(name, 'a')).answers[0]!.truth).toMatchObject({
      label: 'yes',
      history: [{ label: 'no', value: null, recordedBy: 'tess' }],
    });
    expect(await quality(name)).toMatchObject({ labelledRows: 1, accuracy: 1 });
    const rounds = await Promise.all(Array.from({ length: 30 }, (_, i) => told(i % 2 ? 'no' : 'yes')));
    expect(rounds.every(({ added }) => added === 0)).toBe(true);
    expect((await read(name, 'a')).answers[0]!.truth!.history.length).toBeLessThanOrEqual(20);
  });

  it('shows live quality as the statistics compute it, in total, by window and by deployment', async () => {
    for (const [version, classes] of [
      [TWO, ['no', 'yes']],
      [THREE, ['a', 'b', 'c']],
    ] as const) {
      const name = newName();
      const { deploymentId, endpointId } = await serve(service, tess, version, { name });
      const values = Array.from({ length: 200 }, (_, i) => Math.sin(i * 12.9898) * 3);
      const labels = values.map((_, i) => Math.abs(Math.trunc(Math.sin(i * 78.233) * 1_000)) % classes.length);
      const probabilities: number[] = [];
      for (let request = 0; request < 20; request++) {
        const rows = values.slice(request * 10, request * 10 + 10).map((X) => ({ X }));
        const answer = await predict(tess, { endpointName: name, rows, requestId: `r${request}` });
        probabilities.push(...answer.predictions.flatMap((one) => one.probabilities!));
      }
      const records = labels.map((label, i) => ({
        requestId: `r${Math.floor(i / 10)}`,
        row: i % 10,
        label: classes[label],
      }));
      expect(await record(name, records)).toEqual({ added: 200, replaced: 0, unchanged: 0, rejected: [] });
      // Half of the traffic was yesterday.
      await traffic.query(
        `update ground_truth set predicted_at = predicted_at - interval '1 day' where endpoint_id = $1 and ` +
          `request_id in (select 'r' || n from generate_series(0, 9) n)`,
        [endpointId],
      );
      // Served rows are counted some seconds later at most.
      await service.app.context.services.traffic.flush();
      const expected = (from: number, to: number) =>
        classificationMetrics({
          labels: Int32Array.from(labels.slice(from, to)),
          probabilities: Float32Array.from(probabilities.slice(from * classes.length, to * classes.length)),
          classCount: classes.length,
        });
      const found = await quality(name, { deploymentId });
      const check = (figures: Figures, from: number, to: number) => {
        const { accuracy, f1, logLoss } = expected(from, to);
        expect(figures.labelledRows).toBe(to - from);
        expect(figures.accuracy).toBeCloseTo(accuracy!, 12);
        expect(figures.f1).toBeCloseTo(f1!, 12);
        expect(figures.logLoss).toBeCloseTo(logLoss!, 5);
        expect([figures.rmse, figures.mae]).toEqual([null, null]);
      };
      check(found, 0, 200);
      expect(found.windows).toHaveLength(2);
      check(found.windows[0]!, 0, 100);
      check(found.windows[1]!, 100, 200);
      expect(found.servedRows).toBe(200);
      const yesterday = await quality(name, { to: new Date(Date.now() - 12 * 3_600_000).toISOString() });
      check(yesterday, 0, 100);
      console.log(
        `live quality of ${classes.length} classes: accuracy ${found.accuracy}, F1 ${found.f1}, log loss ` +
          `${found.logLoss}`,
      );
    }
  });

  it('shows RMSE and MAE of a regression', async () => {
    const name = newName();
    await serve(service, tess, LINE, { name });
    const actual = Array.from({ length: 50 }, (_, i) => Math.cos(i) * 10);
    await predict(tess, { endpointName: name, rows: actual.map((_, x) => ({ x })), requestId: 'all' });
    await record(
      name,
      actual.map((value, row) => ({ requestId: 'all', row, value })),
    );
    const expected = regressionMetrics({
      actual: Float64Array.from(actual),
      predicted: Float64Array.from(actual, (_, x) => 2 * x + 1),
    });
    const found = await quality(name);
    expect(found).toMatchObject({ labelledRows: 50, accuracy: null, f1: null, logLoss: null });
    expect(found.rmse).toBeCloseTo(expected.rmse!, 9);
    expect(found.mae).toBeCloseTo(expected.mae!, 9);
    expect(
      (await tess.fails(LiveQualityDetailsDocument, { endpointName: name, windowMinutes: 1 })).extensions,
    ).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'windowMinutes',
    });
  });

  it('accepts ten thousand records at once', async () => {
    const name = newName();
    await serve(service, tess, LINE, { name });
    const rows = Array.from({ length: 1_000 }, (_, x) => ({ x }));
    for (let request = 0; request < 10; request++)
      await predict(tess, { endpointName: name, rows, requestId: `r${request}` });
    const records = Array.from({ length: 10_000 }, (_, i) => ({
      requestId: `r${i % 10}`,
      row: Math.floor(i / 10),
      value: i,
    }));
    const startedAt = performance.now();
    expect(await record(name, records)).toEqual({ added: 10_000, replaced: 0, unchanged: 0, rejected: [] });
    console.log(`10,000 truths recorded in ${(performance.now() - startedAt).toFixed(0)} ms`);
    expect((await refusal(name, [...records, records[0]!])).extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.records',
    });
    // Only the first thousand rows of a longer request are in the log.
    await predict(tess, { endpointName: name, rows: [...rows, { x: 1 }], requestId: 'long' });
    expect((await refusal(name, [{ requestId: 'long', row: 1_000, value: 1 }])).message).toContain(
      'a row from 0 to 999',
    );
  });
});

describe('over REST', () => {
  const call = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(`${service.url}/v1/endpoints/${path}`, {
      method,
      headers: { authorization: `Bearer ${tess.token}` },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  it('ground truth is recorded and predictions are read', async () => {
    const name = newName();
    const { deploymentId, versionId } = await serve(service, tess, TWO, { name });
    const predicted = await call('POST', `${name}/predict`, { rows: [{ X: 2 }, { X: -2 }] });
    const requestId = String(predicted.body['requestId']);
    const records = [
      { requestId, row: 0, label: 'yes', observedAt: '2026-01-01T00:00:00Z' },
      { requestId, row: 5, label: 'yes' },
    ];
    expect(await call('POST', `${name}/ground-truth`, { records })).toMatchObject({
      status: 200,
      body: {
        added: 1,
        replaced: 0,
        unchanged: 0,
        rejected: [{ index: 1, requestId, row: 5, code: 'BAD_USER_INPUT' }],
      },
    });
    expect(await call('GET', `${name}/predictions/${requestId}`)).toMatchObject({
      status: 200,
      body: {
        requestId,
        rows: 2,
        inputs: { X: [2, -2] },
        deployment: { id: deploymentId },
        modelVersion: { id: versionId },
        answers: [{ label: 'yes' }, { label: 'no' }],
      },
    });
    expect(await call('GET', `${name}/predictions/absent`)).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
    expect(
      await call('POST', `${name}/ground-truth`, { records: [{ requestId: 'absent', label: 'yes' }] }),
    ).toMatchObject({
      status: 404,
      body: { code: 'NOT_FOUND', field: 'records[0]' },
    });
    expect(await call('POST', `${name}/ground-truth`, { records: [{ requestId, label: 5 }] })).toMatchObject({
      status: 400,
      body: { code: 'BAD_USER_INPUT', field: 'records[0].label' },
    });
    expect(
      await call('POST', `${name}/ground-truth`, { records: [{ requestId, label: 'no', observedAt: 'yesterday' }] }),
    ).toMatchObject({
      status: 400,
      body: { field: 'records[0].observedAt' },
    });
    expect(await call('POST', `${name}/predict`, { rows: [{ X: 2 }], requestId: 'once' })).toMatchObject({
      status: 200,
    });
    expect(await call('POST', `${name}/predict`, { rows: [{ X: 2 }], requestId: 'once' })).toMatchObject({
      status: 409,
      body: { code: 'CONFLICT', field: 'requestId' },
    });
  });
});
