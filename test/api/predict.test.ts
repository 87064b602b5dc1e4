// One file because its tests share one running service, which takes longer to start than most of the tests.
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { routeTopic } from '../../src/modules/serving/deployment-rows.js';
import { PredictionLogBuffer } from '../../src/modules/serving/prediction-log.js';
import { allocatesAbove1000, hangsAbove1000, linear, multilayer } from '../fixtures/models/build.js';
import { createDatabaseFromTemplate } from '../support/database.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import {
  type Answer,
  createEndpoint,
  deploy,
  floats,
  makeVersion,
  predict,
  serve,
  x,
  xToY,
} from '../support/serving.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import {
  EndpointDetailsDocument,
  PredictDetailsDocument,
  EndpointForPredictDocument,
  PredictForPredictDocument,
  UndeployDetailsDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService({
    INFERENCE_HOSTS: '2',
    INFERENCE_MEMORY_BYTES: String(400 * 1024 ** 2),
    PREDICT_DEADLINE_MS: '2000',
  });
  tess = await service.as();
});
afterAll(() => service?.close());

const y = ({ outputs }: Answer) => outputs[0]!.data;

describe('predict', () => {
  it('answers like the runtime itself, for tensors and for named rows, by id and by name', async () => {
    const bytes = multilayer([3, 16, 2]);
    const { endpointId, versionId, deploymentId } = await serve(service, tess, { bytes, signature: xToY(3, 2) });
    const values = Array.from({ length: 30 }, (_, i) => Math.sin(i));
    const session = await ort.InferenceSession.create(bytes);
    const { y: direct } = await session.run({ x: new ort.Tensor('float32', Float32Array.from(values), [10, 3]) });
    const byTensor = await predict(tess, { endpointId, tensors: [x(values, 3)], requestId: 'mine' });
    expect(byTensor.outputs).toEqual([
      { name: 'y', datatype: 'FP32', shape: [10, 2], data: Array.from(direct!.data as Float32Array) },
    ]);
    expect(byTensor).toMatchObject({
      requestId: 'mine',
      rows: 10,
      batchRows: 10,
      modelVersion: { id: versionId },
      deployment: { id: deploymentId },
      predictions: [],
    });
    expect(byTensor.latencyMs).toBeGreaterThan(0);
    const rows = Array.from({ length: 10 }, (_, row) => ({ x: values.slice(row * 3, row * 3 + 3) }));
    const { endpoint } = await tess.ok(EndpointDetailsDocument, {
      id: endpointId,
    });
    const byName = await predict(tess, { endpointName: endpoint.name, rows });
    expect(byName.outputs).toEqual(byTensor.outputs);
    const literal = await tess.ok<{ predict: Answer }>(
      `mutation { predict(input: { endpointId: "${endpointId}", tensors: [{ name: "x", datatype: FP32, ` +
        'shape: [1, 3], data: [1, 2.5, -3e0] }] }) { outputs { data } } }',
    );
    expect(y(literal.predict)).toHaveLength(2);
  });

  it('joins requests that come together into batches, and each gets its own rows', async () => {
    const { endpointId } = await serve(service, tess, { bytes: linear([2], 1), signature: xToY(1) });
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) => predict(tess, { endpointId, tensors: [x([i, i + 0.5])] })),
    );
    answers.forEach((answer, i) => expect(y(answer)).toEqual([2 * i + 1, 2 * i + 2]));
    expect(Math.max(...answers.map(({ batchRows }) => batchRows))).toBeGreaterThan(2);
    expect(answers[0]!.predictions).toHaveLength(2);
    expect(answers[3]!.predictions[0]).toEqual({ label: null, value: 7, probabilities: null });
  });

  it('refuses input that does not match the signature, naming the field', async () => {
    const { endpointId } = await serve(service, tess, { bytes: linear([1, 1], 0), signature: xToY(2) });
    const cases: [Record<string, unknown>, string, string][] = [
      [{ tensors: [{ ...x([1, 2, 3, 4], 2), shape: [4] }] }, 'inputs[0].shape', 'rank'],
      [{ tensors: [x([1, 2, 3], 3)] }, 'inputs[0].shape[1]', 'dimension'],
      [{ tensors: [{ ...x([1, 2], 2), shape: [-1, 2] }] }, 'inputs[0].shape[0]', 'negative dimension'],
      [{ tensors: [{ ...x([1, 2], 2), datatype: 'FP64' }] }, 'inputs[0].datatype', 'datatype'],
      [{ tensors: [{ ...x([1, 2], 2), shape: [2, 2] }] }, 'inputs[0].data', 'length'],
      [{ tensors: [] }, 'inputs', 'missing input'],
      [{ tensors: [x([1, 2], 2), { ...x([1, 2], 2), name: 'z' }] }, 'inputs[1].name', 'extra input'],
      [{ tensors: [x([1, 2], 2), x([1, 2], 2)] }, 'inputs[1].name', 'doubled input'],
      [{ tensors: [x([1, null], 2)] }, 'inputs[0].data[1]', 'null where nothing may miss'],
      [{ tensors: [{ ...x([1, 2], 2), data: [1, '2'] }] }, 'inputs[0].data[1]', 'text for a number'],
      [{ tensors: [{ ...x([1, 2], 2), data: [[1, 2]] }] }, 'inputs[0].data[0]', 'nested data'],
      [{ tensors: [{ ...x([1, 2], 2), data: [1, 1e300] }] }, 'inputs[0].data[1]', 'beyond 32 bits'],
      [
        { tensors: [{ ...x([1, 2], 2), shape: [10_001, 2], data: new Array(20_002).fill(0) }] },
        'inputs[0].shape[0]',
        'too many rows',
      ],
      [{ rows: [] }, 'rows', 'no rows'],
      [{ rows: [{ x: [1, 2] }, { x: [1] }] }, 'rows[1].x', 'too few values'],
      [{ rows: [{}] }, 'rows[0].x', 'missing value'],
      [{ rows: [{ x: [1, 2], why: 1 }] }, 'rows[0].why', 'extra column'],
      [{ rows: [{ x: [1, 'a'] }] }, 'rows[0].x[1]', 'text in a row'],
      [{ rows: [[1, 2]] }, 'rows[0]', 'a list for a row'],
    ];
    for (const [input, field, what] of cases) {
      const error = await tess.fails(PredictDetailsDocument, { input: { endpointId, ...input } });
      expect(error.extensions, what).toMatchObject({ code: 'INVALID_TENSOR', field });
      expect(error.extensions.expected, what).toBeTruthy();
    }
    const wide = await makeVersion(service, {
      bytes: linear([1], 0),
      signature: { inputs: [{ name: 'x', datatype: 'INT64', shape: [-1, 1] }], outputs: [floats('y', 1)] },
    });
    const other = await createEndpoint(tess, { modelId: wide.modelId });
    await deploy(tess, { endpointId: other.id, modelVersionId: wide.versionId });
    const beyond = await tess.fails(PredictDetailsDocument, {
      input: { endpointId: other.id, tensors: [{ ...x([1]), datatype: 'INT64', data: [2 ** 53 + 2] }] },
    });
    expect(beyond.extensions).toMatchObject({ code: 'INVALID_TENSOR', field: 'inputs[0].data[0]' });
    for (const [input, field] of [
      [{ rows: [{ x: [1, 2] }], tensors: [x([1, 2], 2)] }, 'input'],
      [{}, 'input'],
      [{ rows: [{ x: [1, 2] }], endpointName: 'both' }, 'input'],
      [{ rows: [{ x: [1, 2] }], deadlineMs: 0 }, 'input.deadlineMs'],
      [{ rows: [{ x: [1, 2] }], requestId: '' }, 'input.requestId'],
      [{ rows: [{ x: [1, 2] }], routingKey: 'k'.repeat(300) }, 'input.routingKey'],
    ] as const) {
      expect((await tess.fails(PredictDetailsDocument, { input: { endpointId, ...input } })).extensions).toMatchObject({
        code: 'BAD_USER_INPUT',
        field,
      });
    }
    const notAList = await tess.fails(PredictDetailsDocument, {
      input: { endpointId, tensors: [{ ...x([1, 2], 2), data: 3 }] },
    });
    expect(notAList.extensions.code).toBe('BAD_USER_INPUT');
    const { deployments } = await trafficOf(endpointId);
    expect(deployments[0]!.traffic).toMatchObject({ requests: 0, errors: 0 });
  });

  it('lets viewers call only what is in production', async () => {
    const vera = await service.as({ role: Role.VIEWER, subject: 'vera' });
    const inProduction = await serve(service, tess, { bytes: linear([1], 0), signature: xToY(1), stage: 'PRODUCTION' });
    expect(y(await predict(vera, { endpointId: inProduction.endpointId, rows: [{ x: 5 }] }))).toEqual([5]);
    for (const stage of ['DEVELOPMENT', 'STAGING', 'ARCHIVED'] as const) {
      const { endpointId } = await serve(service, tess, { bytes: linear([1], 0), signature: xToY(1), stage });
      expect(
        (await vera.fails(PredictDetailsDocument, { input: { endpointId, rows: [{ x: 5 }] } })).extensions.code,
      ).toBe('FORBIDDEN');
      expect(y(await predict(tess, { endpointId, rows: [{ x: 5 }] }))).toEqual([5]);
    }
    const candidate = await makeVersion(service, {
      bytes: linear([2], 0),
      signature: xToY(1),
      modelId: inProduction.modelId,
    });
    await deploy(tess, { endpointId: inProduction.endpointId, modelVersionId: candidate.versionId, weightBps: 1 });
    expect(
      (await vera.fails(PredictDetailsDocument, { input: { endpointId: inProduction.endpointId, rows: [{ x: 5 }] } }))
        .extensions.code,
    ).toBe('FORBIDDEN');
    expect(
      (await vera.fails(UndeployDetailsDocument, { input: { deploymentId: inProduction.deploymentId } })).extensions
        .code,
    ).toBe('FORBIDDEN');
  });

  it('knows no endpoint of another tenant, by id or by name, warm or cold', async () => {
    const { endpointId } = await serve(
      service,
      tess,
      { bytes: linear([1], 0), signature: xToY(1), stage: 'PRODUCTION' },
      { name: 'shared-name' },
    );
    await predict(tess, { endpointName: 'shared-name', rows: [{ x: 1 }] });
    const other = await service.as({ tenant: 'other' });
    const absent = await other.fails(PredictDetailsDocument, {
      input: { endpointId: endpointId.replace(/^./, (digit) => (digit === '0' ? '1' : '0')), rows: [{ x: 1 }] },
    });
    const foreign = await other.fails(PredictDetailsDocument, { input: { endpointId, rows: [{ x: 1 }] } });
    expect(foreign.extensions.code).toBe('NOT_FOUND');
    expect(absent.extensions.code).toBe('NOT_FOUND');
    expect(
      (await other.fails(PredictDetailsDocument, { input: { endpointName: 'shared-name', rows: [{ x: 1 }] } }))
        .extensions.code,
    ).toBe('NOT_FOUND');
    const own = await makeVersion(service, { bytes: linear([-1], 0), signature: xToY(1), tenant: 'other' });
    const theirs = await createEndpoint(other, { modelId: own.modelId, name: 'shared-name' });
    await deploy(other, { endpointId: theirs.id, modelVersionId: own.versionId });
    expect(y(await predict(other, { endpointName: 'shared-name', rows: [{ x: 1 }] }))).toEqual([-1]);
    expect(y(await predict(tess, { endpointName: 'shared-name', rows: [{ x: 1 }] }))).toEqual([1]);
  });

  it('needs no database statement when the endpoint is known', async () => {
    const { endpointId } = await serve(
      service,
      tess,
      { bytes: linear([1], 0), signature: xToY(1) },
      { logSampleRate: 0 },
    );
    await predict(tess, { endpointId, rows: [{ x: 1 }] });
    service.statements.length = 0;
    const startedAt = Date.now();
    for (let i = 0; i < 50; i++) await predict(tess, { endpointId, rows: [{ x: i }] });
    const reads = service.statements.filter((sql) => /from "?endpoint"?/i.test(sql)).length;
    const seconds = (Date.now() - startedAt) / 1000;
    console.log(`50 predictions in ${seconds.toFixed(2)} s read the endpoint ${reads} times`);
    expect(reads).toBeLessThanOrEqual(2 + seconds * 2);
  });

  it('a model that hangs fails alone, and other endpoints keep serving', async () => {
    const hanging = await serve(service, tess, { bytes: hangsAbove1000(), signature: xToY(1) });
    const healthy = await serve(service, tess, { bytes: linear([2], 0), signature: xToY(1) });
    expect(y(await predict(tess, { endpointId: hanging.endpointId, rows: [{ x: 1 }] }))).toEqual([1]);
    let done = false;
    const guilty = tess
      .fails(PredictDetailsDocument, {
        input: { endpointId: hanging.endpointId, rows: [{ x: 5000 }], deadlineMs: 1500 },
      })
      .finally(() => (done = true));
    let neighbours = 0;
    let slowestMs = 0;
    while (!done) {
      const startedAt = performance.now();
      expect(y(await predict(tess, { endpointId: healthy.endpointId, rows: [{ x: 21 }] }))).toEqual([42]);
      slowestMs = Math.max(slowestMs, performance.now() - startedAt);
      neighbours++;
    }
    expect((await guilty).extensions.code).toBe('DEADLINE_EXCEEDED');
    console.log(`hanging model: ${neighbours} answers of the neighbour meanwhile, slowest ${slowestMs.toFixed(0)} ms`);
    expect(neighbours).toBeGreaterThan(3);
    const again = () =>
      tess
        .send(PredictForPredictDocument, { input: { endpointId: hanging.endpointId, rows: [{ x: 7 }] } })
        .then(({ errors }) => errors?.[0]?.extensions.code ?? 'answered');
    await expect.poll(again, { timeout: 10_000 }).toBe('answered');
    const { deployments } = await trafficOf(hanging.endpointId);
    expect(deployments[0]!.traffic.errors).toBeGreaterThanOrEqual(1);
  });

  it('a model that uses too much memory fails alone', async () => {
    const hog = await serve(service, tess, { bytes: allocatesAbove1000(2 ** 32), signature: xToY(1) });
    const healthy = await serve(service, tess, { bytes: linear([2], 0), signature: xToY(1) });
    const beside = Array.from({ length: 20 }, (_, i) =>
      predict(tess, { endpointId: healthy.endpointId, rows: [{ x: i }] }),
    );
    const guilty = await tess.fails(PredictDetailsDocument, {
      input: { endpointId: hog.endpointId, rows: [{ x: 5000 }] },
    });
    expect(guilty.extensions.code).toBe('RESOURCE_EXHAUSTED');
    expect((await Promise.all(beside)).map(y)).toEqual(Array.from({ length: 20 }, (_, i) => [2 * i]));
    expect(y(await predict(tess, { endpointId: healthy.endpointId, rows: [{ x: 4 }] }))).toEqual([8]);
  });

  it('counts every request exactly and logs all of a full sample and none of an empty one', async () => {
    const logged = await serve(service, tess, { bytes: linear([2], 0), signature: xToY(1) });
    const silent = await serve(service, tess, { bytes: linear([2], 0), signature: xToY(1) }, { logSampleRate: 0 });
    await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        predict(tess, { endpointId: logged.endpointId, rows: [{ x: i }, { x: 1 }], requestId: `r${i}` }),
      ),
    );
    await Promise.all(
      Array.from({ length: 10 }, (_, i) => predict(tess, { endpointId: silent.endpointId, rows: [{ x: i }] })),
    );
    const { deployments } = await trafficOf(logged.endpointId);
    expect(deployments[0]!.traffic).toMatchObject({
      requests: 40,
      rows: 80,
      errors: 0,
      errorRate: 0,
      comparedRows: 0,
      disagreementRate: null,
    });
    expect(deployments[0]!.traffic.latencyP95Ms).toBeGreaterThanOrEqual(deployments[0]!.traffic.latencyP50Ms!);
    expect((await trafficOf(silent.endpointId)).deployments[0]!.traffic).toMatchObject({ requests: 10, rows: 10 });
    const log = await rowsOf<{
      request_id: string;
      rows: number;
      inputs: object;
      scores: number[];
      deployment_id: string;
    }>(
      'select request_id, rows, inputs, scores, deployment_id from prediction_log where endpoint_id in ' +
        `('${logged.endpointId}', '${silent.endpointId}') order by request_id`,
    );
    expect(log).toHaveLength(40);
    expect(log.find(({ request_id }) => request_id === 'r7')).toMatchObject({
      rows: 2,
      inputs: { x: [7, 1] },
      scores: [14, 2],
      deployment_id: logged.deploymentId,
    });
    const [sums] = await rowsOf<{ score_sum: number }>(
      `select sum(score_sum) as score_sum from deployment_minute where deployment_id = '${logged.deploymentId}'`,
    );
    expect(sums!.score_sum).toBe(2 * ((39 * 40) / 2 + 40));
  });

  it('keeps the log limited in memory and in rows, counts what it drops, and writes unusual texts', async () => {
    const { endpointId, deploymentId, versionId } = await serve(service, tess, {
      bytes: linear([1], 0),
      signature: xToY(1),
    });
    let told = 0;
    const buffer = new PredictionLogBuffer(service.app.context.db, () => told++);
    const rows = 10_000;
    const inputs = [
      {
        name: 'x',
        datatype: 'BYTES' as const,
        shape: [rows, 1],
        data: new Array<string>(rows).fill(`\0\ud800${'long '.repeat(200)}`),
      },
    ];
    const request = {
      tenant: 'acme',
      endpointId,
      deploymentId,
      modelVersionId: versionId,
      mode: 'LIVE',
      requestId: 'r',
      rows,
      latencyMs: 1,
      errorCode: null,
    } as const;
    for (let i = 0; i < 80; i++)
      buffer.offer({
        ...request,
        inputs,
        redactedFields: [],
        specs: [],
        scores: new Float64Array(rows).fill(NaN),
        answers: null,
      });
    console.log(`prediction log: of 80 requests of 10,000 rows ${buffer.size} wait and ${buffer.dropped} were dropped`);
    expect(buffer.size).toBe(50);
    expect([buffer.dropped, told]).toEqual([30, 30]);
    await buffer.flush();
    expect(buffer.size).toBe(0);
    const stored = await rowsOf<{ rows: number; inputs: { x: string[] }; scores: null[] }>(
      `select rows, inputs, scores from prediction_log where endpoint_id = '${endpointId}'`,
    );
    expect(stored).toHaveLength(50);
    expect(stored[0]!.inputs.x).toHaveLength(1_000);
    expect(String(stored[0]!.inputs.x[0])).toMatch(/^\ufffd\ufffdlong .*… [0-9a-f]{32}$/);
    expect(stored[0]).toMatchObject({ rows: 1_000, scores: expect.arrayContaining([null]) as unknown });

    const good = {
      ...request,
      rows: 1,
      inputs: [],
      redactedFields: [],
      specs: [],
      scores: new Float64Array(1),
      answers: null,
    };
    buffer.offer({ ...good, requestId: 'what\0text' });
    await expect(buffer.flush()).rejects.toThrow();
    buffer.offer(good);
    await buffer.flush();
    expect(buffer).toMatchObject({ size: 0, dropped: 31 });
  });
});

interface TrafficShape {
  requests: number;
  rows: number;
  errors: number;
  errorRate: number | null;
  latencyP50Ms: number | null;
  latencyP95Ms: number | null;
  comparedRows: number;
  disagreementRate: number | null;
}

async function trafficOf(endpointId: string): Promise<{ deployments: { id: string; traffic: TrafficShape }[] }> {
  await service.app.context.services.traffic.flush();
  const { endpoint } = await tess.ok(EndpointForPredictDocument, { id: endpointId });
  return endpoint;
}

async function rowsOf<T extends object>(sql: string): Promise<T[]> {
  return service.app.context.db.asSystem((em) => em.execute(sql));
}

it('continues while the database is disconnected or hangs, also when a change was reported', async () => {
  const database = await createDatabaseFromTemplate();
  const url = new URL(database.url);
  const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  const cutOff = await startTestService({ LOG_LEVEL: 'silent' }, { url: url.href, drop: () => database.drop() });
  try {
    const caller = await cutOff.as();
    const { endpointId } = await serve(cutOff, caller, { bytes: linear([2], 1), signature: xToY(1) });
    const answers = async () => expect(y(await predict(caller, { endpointId, tensors: [x([4])] }))).toEqual([9]);
    await answers();
    for (const fault of ['cut', 'swallow'] as const) {
      proxy[fault]();
      cutOff.app.context.live.publish(routeTopic(endpointId));
      for (let i = 0; i < 3; i++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        await answers();
      }
      proxy.restore();
    }
  } finally {
    proxy.cut();
    proxy.restore();
    await cutOff.close();
    await proxy.close();
  }
}, 30_000);
