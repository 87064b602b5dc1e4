import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nearestName } from '../../src/modules/core/rules/nearest.js';
import type { Signature } from '../../src/modules/model-contract/rules/tensor.js';
import { CreateEndpointDocument } from '../../schema/generated/operations.js';
import {
  PredictionDetailsDocument,
  PredictionsDetailsDocument,
  UpdateEndpointDetailsDocument,
} from '../generated/operations.js';
import { linear } from '../fixtures/models/build.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { deploy, makeVersion, predict, serve, xToY } from '../support/serving.js';
import { TrafficWriter } from '../support/traffic.js';

let service: TestService;
let traffic: TrafficWriter;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  traffic = await TrafficWriter.connect(service.database.url);
  tess = await service.as({ subject: 'tess' });
});
afterAll(async () => {
  await traffic?.end();
  await service?.close();
});

const person = (columns: string[]): Signature => ({
  inputs: [
    {
      name: 'x',
      datatype: 'FP32',
      shape: [-1, columns.length],
      columns: columns.map((name) => ({ name, type: 'NUMBER' as const })),
    },
  ],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
});
const PERSON = { bytes: linear([1, 2], 0), signature: person(['age', 'income']), task: 'REGRESSION' as const };

const logged = async (endpointName: string, requestId: string) =>
  (await tess.ok(PredictionDetailsDocument, { endpointName, requestId })).prediction;

describe('redaction', () => {
  it('keeps values out of the log, of live requests and of shadows, and out of nothing else', async () => {
    const name = 'private';
    const { endpointId, modelId } = await serve(service, tess, PERSON, { name, redactedFields: ['income'] });
    await predict(tess, { endpointName: name, rows: [{ age: 40, income: 1234 }], requestId: 'a' });
    expect(await logged(name, 'a')).toMatchObject({ inputs: { age: [40] }, answers: [{ value: 2508 }] });
    expect((await logged(name, 'a')).inputs).not.toHaveProperty('income');
    // The shadow calls the same values by other names.
    const other = { bytes: linear([1, 2], 0), signature: person(['years', 'money']), modelId };
    const { versionId } = await makeVersion(service, other);
    await deploy(tess, { endpointId, modelVersionId: versionId, mode: 'SHADOW' });
    await expect
      .poll(async () => {
        await predict(tess, { endpointName: name, rows: [{ age: 41, income: 4321 }] });
        await service.app.context.services.traffic.flush();
        const shadows = `select count(*)::int n from prediction_log where endpoint_id = $1 and mode = 'SHADOW'`;
        return (await traffic.query<{ n: number }>(shadows, [endpointId]))[0]!.n;
      })
      .toBeGreaterThan(0);
    const kept = await traffic.query<{ inputs: string }>(
      'select inputs::text as inputs from prediction_log where endpoint_id = $1',
      [endpointId],
    );
    for (const { inputs } of kept) expect(inputs).not.toMatch(/1234|4321|income|money/);
  });

  it('changes from now on, and takes only names that a version of the model has', async () => {
    const name = 'changing';
    const { endpointId, modelId } = await serve(service, tess, PERSON, { name });
    await predict(tess, { endpointName: name, rows: [{ age: 40, income: 1 }], requestId: 'before' });
    const change = (input: object) => tess.ok(UpdateEndpointDetailsDocument, { input: { id: endpointId, ...input } });
    expect(await change({ redactedFields: ['age', 'age'], logRetentionDays: 7 })).toMatchObject({
      updateEndpoint: { endpoint: { redactedFields: ['age'], logRetentionDays: 7 } },
    });
    await predict(tess, { endpointName: name, rows: [{ age: 40, income: 1 }], requestId: 'after' });
    expect((await logged(name, 'before')).inputs).toEqual({ age: [40], income: [1] });
    expect((await logged(name, 'after')).inputs).toEqual({ income: [1] });
    for (const [input, field, message] of [
      [{ redactedFields: ['incone'] }, 'input.redactedFields[0]', 'did you mean income?'],
      [{ redactedFields: ['age', 'x'] }, 'input.redactedFields[1]', 'one of age, income'],
      [{ logRetentionDays: 0 }, 'input.logRetentionDays', '1 to 365 days'],
      [{ logSampleRate: 1.5 }, 'input.logSampleRate', '0 to 1'],
    ] as const) {
      const refused = await tess.fails(UpdateEndpointDetailsDocument, { input: { id: endpointId, ...input } });
      expect(refused.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
      expect(refused.message).toContain(message);
      const create = { name: 'refused', modelId, ...input };
      expect((await tess.fails(CreateEndpointDocument, { input: create })).extensions).toMatchObject({ field });
    }
  });

  it('names the nearest field only when it is near', () => {
    const names = ['age', 'income', 'home_town'];
    expect(nearestName('Incom', names)).toBe('income');
    expect(nearestName('hometown', names)).toBe('home_town');
    expect(nearestName('zebra crossing', names)).toBeNull();
    expect(nearestName('x', [])).toBeNull();
  });
});

it('deletes requests when their endpoint no longer keeps them', async () => {
  const short = await serve(service, tess, PERSON, { name: 'short', logRetentionDays: 2 });
  const long = await serve(service, tess, PERSON, { name: 'long', logRetentionDays: 60 });
  for (const endpointName of ['short', 'long'])
    for (const requestId of ['old', 'new'])
      await predict(tess, { endpointName, rows: [{ age: 1, income: 2 }], requestId });
  const { services } = service.app.context;
  await services.traffic.flush();
  await traffic.query(
    `update prediction_log set created_at = now() - interval '59 days' where request_id = 'old' and endpoint_id in ` +
      '($1, $2)',
    [short.endpointId, long.endpointId],
  );
  await services.monitoring.prune();
  const kept = async (endpointName: string) =>
    (await tess.ok(PredictionsDetailsDocument, { endpointName })).predictions.nodes.map(({ requestId }) => requestId);
  expect(await kept('short')).toEqual(['new']);
  expect(await kept('long')).toEqual(['new', 'old']);
});

it.each([0, 0.01])('counts every request exactly when the log has a share of %d', async (logSampleRate) => {
  const name = `sampled-${logSampleRate}`;
  const { endpointId, deploymentId } = await serve(
    service,
    tess,
    { bytes: linear([2], 0), signature: xToY(1) },
    { name, logSampleRate },
  );
  const keyed: string[] = [];
  const { services } = service.app.context;
  services.traffic.onKeyed((answer) => {
    if (answer.endpointId === endpointId) keyed.push(answer.routingKey);
  });
  const ids = Array.from({ length: 300 }, (_, i) => `request-${i}`);
  for (const requestId of ids)
    await predict(tess, { endpointName: name, rows: [{ x: 1 }], requestId, routingKey: `key-${requestId}` });
  await services.traffic.flush();
  const [counted] = await traffic.query<{ n: number }>(
    'select sum(requests)::int as n from deployment_minute where deployment_id = $1',
    [deploymentId],
  );
  expect(counted!.n).toBe(300);
  expect(keyed).toEqual(ids.map((id) => `key-${id}`));
  const rows = await traffic.query<{ id: string }>(
    'select request_id as id from prediction_log where endpoint_id = $1',
    [endpointId],
  );
  expect(rows.length).toBeLessThan(logSampleRate === 0 ? 1 : 20);
});
