import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MlflowCaller } from '../support/mlflow.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
let tess: MlflowCaller;
let mallory: MlflowCaller;

beforeAll(async () => {
  service = await startTestService();
  tess = await MlflowCaller.of(service);
  mallory = await MlflowCaller.of(service, { tenant: 'globex', subject: 'mallory' });
});
afterAll(() => service?.close());

describe('ids of the MLflow protocol', () => {
  it('that are invalid, or belong to another tenant, do not exist', async () => {
    const { experiment_id: experimentId } = await tess.post<{ experiment_id: string }>('experiments/create', {
      name: 'secret',
    });
    const runId = await tess.newRun({ experiment_id: experimentId });
    const { model } = await tess.post<{ model: { info: { model_id: string } } }>('logged-models', {
      experiment_id: experimentId,
    });
    const none = ['x', '77', '-1', 'f'.repeat(32), '../etc', '%00'.repeat(3), 'é', '1'.repeat(500)];
    const requests: Record<string, ['GET' | 'POST' | 'PATCH' | 'DELETE', (id: string) => string, object?][]> = {
      [experimentId]: [
        ['GET', () => 'experiments/get'],
        ['POST', () => 'experiments/update', { new_name: 'mine' }],
        ['POST', () => 'experiments/delete'],
        ['POST', () => 'experiments/restore'],
        ['POST', () => 'experiments/set-experiment-tag', { key: 'k', value: 'v' }],
        ['POST', () => 'experiments/delete-experiment-tag', { key: 'k' }],
        ['POST', () => 'runs/create'],
        ['POST', () => 'logged-models', { name: 'n' }],
      ],
      [runId]: [
        ['GET', () => 'runs/get'],
        ['POST', () => 'runs/update', { status: 'FAILED' }],
        ['POST', () => 'runs/delete'],
        ['POST', () => 'runs/restore'],
        ['POST', () => 'runs/log-metric', { key: 'k', value: 1, timestamp: 1 }],
        ['POST', () => 'runs/log-parameter', { key: 'k', value: 'v' }],
        ['POST', () => 'runs/log-batch'],
        ['POST', () => 'runs/log-batch', { tags: [{ key: 'k', value: 'v' }] }],
        ['POST', () => 'runs/set-tag', { key: 'k', value: 'v' }],
        ['POST', () => 'runs/delete-tag', { key: 'mlflow.runName' }],
        ['POST', () => 'runs/log-inputs'],
        ['POST', () => 'runs/outputs', { models: [] }],
        [
          'POST',
          () => 'runs/log-model',
          { model_json: '{"artifact_path":"a","flavors":{},"utc_time_created":"t","run_id":"r"}' },
        ],
        ['GET', () => 'metrics/get-history', { metric_key: 'k' }],
      ],
      [model.info.model_id]: [
        ['GET', (id) => `logged-models/${id}`],
        ['PATCH', (id) => `logged-models/${id}`, { status: 'LOGGED_MODEL_READY' }],
        ['DELETE', (id) => `logged-models/${id}`],
        ['PATCH', (id) => `logged-models/${id}/tags`, { tags: [{ key: 'k', value: 'v' }] }],
        ['DELETE', (id) => `logged-models/${id}/tags/k`],
        ['POST', (id) => `logged-models/${id}/params`, { params: [{ key: 'k', value: 'v' }] }],
      ],
    };
    for (const [own, endpoints] of Object.entries(requests)) {
      for (const [method, path, given] of endpoints) {
        const named = (id: string) => ({ experiment_id: id, run_id: id, ...given });
        for (const id of none) {
          const error = await tess.fails(method, path(encodeURIComponent(id)), named(id));
          // A text that cannot be an experiment's id, here or on MLflow's own server, gives another error.
          const isMistake = own === experimentId && !/^-?\d+$|^f+$/.test(id);
          expect(error, `${path(id)} ${id}`).toMatchObject(
            isMistake
              ? {
                  status: 400,
                  error_code: 'INVALID_PARAMETER_VALUE',
                  message: expect.stringContaining('0 or have 32 hexadecimal digits'),
                }
              : { status: 404, error_code: 'RESOURCE_DOES_NOT_EXIST' },
          );
        }
        const absent = own.startsWith('m-') ? `m-${'e'.repeat(32)}` : 'e'.repeat(32);
        const foreign = await mallory.fails(method, path(own), named(own));
        const unknown = await mallory.fails(method, path(absent), named(absent));
        expect({ ...foreign, message: foreign.message.replaceAll(own, '') }, path(own)).toEqual({
          ...unknown,
          message: unknown.message.replaceAll(absent, ''),
        });
        expect(foreign.status).toBe(404);
      }
    }
    // Ids inside of requests: a run of another tenant as a source, its models as inputs, outputs and in metrics.
    const mine = await mallory.newRun();
    const modelId = model.info.model_id;
    for (const [path, body] of [
      ['logged-models', { experiment_id: '0', name: 'n', source_run_id: runId }],
      ['runs/log-inputs', { run_id: mine, models: [{ model_id: modelId }] }],
      ['runs/outputs', { run_id: mine, models: [{ model_id: modelId }] }],
      ['runs/log-metric', { run_id: mine, key: 'k', value: 1, timestamp: 1, model_id: modelId }],
    ] as const) {
      // With the ids that the caller knows, not with the UUIDs of the rows.
      const message =
        path === 'logged-models' ? `Run with id=${runId} not found` : `Logged model with ID '${modelId}' not found.`;
      const error = { status: 404, error_code: 'RESOURCE_DOES_NOT_EXIST', message };
      expect(await mallory.fails('POST', path, body), path).toMatchObject(error);
    }
    expect((await mallory.run(mine)).data.metrics).toBeUndefined();
    expect(await mallory.get('metrics/get-history-bulk', { run_id: runId, metric_key: 'k' })).toEqual({ metrics: [] });
    expect(
      await mallory.fails('GET', 'metrics/get-history-bulk-interval', { run_ids: [mine, runId], metric_key: 'k' }),
    ).toMatchObject({
      status: 404,
      message: `Run with id=${runId} not found`,
    });
    expect((await tess.run(runId)).info).toMatchObject({ lifecycle_stage: 'active', status: 'RUNNING' });
  });
});
