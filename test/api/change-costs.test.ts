import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MlflowCaller } from '../support/mlflow.js';
import { startTestService, type Caller, type GraphQLResult, type TestService } from '../support/service.js';
import { createRun, mutate, query, refused } from '../support/tracking.js';
import { createExperiment } from '../support/training.js';
import {
  CreateModelIdDocument,
  DeleteModelTagDetailsDocument,
  type KeyValueInput,
  LogParamsDetailsDocument,
  ModelTagsDocument,
  ModelVersionIdsDocument,
  UpdateExperimentStateDocument,
  WorldSetModelTagsDocument,
  WorldSetModelVersionTagsDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let mlflow: MlflowCaller;
beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  mlflow = await MlflowCaller.of(service);
});
afterAll(() => service?.close());

const hexOf = (id: string) => id.replaceAll('-', '');
const newModel = async () =>
  (await mutate(tess, CreateModelIdDocument, { name: `m${Math.random()}`, modelType: 'X', task: 'OTHER' })).model.id;

async function newVersion(): Promise<string> {
  const name = `v${Math.random()}`;
  await mlflow.post('registered-models/create', { name });
  await mlflow.post('model-versions/create', { name, source: 's3://elsewhere/model' });
  const { model } = await tess.ok(ModelVersionIdsDocument, { name });
  return model.versions.nodes[0]!.id;
}

async function newLoggedModel(): Promise<string> {
  const experiment_id = hexOf(await createExperiment(tess));
  const { model } = await mlflow.post<{ model: { info: { model_id: string } } }>('logged-models', {
    experiment_id,
    name: 'net',
  });
  return model.info.model_id;
}

const asRefusal = async (answer: Promise<{ status: number; body: { message?: string } }>) => {
  const { status, body } = await answer;
  return status === 200 ? null : String(body.message);
};

/** Each sets tags, and returns the message of the refusal; null when it was accepted. */
const SETS: Record<string, { of(): Promise<string>; set(id: string, tags: KeyValueInput[]): Promise<string | null> }> =
  {
    'a model': {
      of: newModel,
      set: (modelId, tags) => messageOf(tess.send(WorldSetModelTagsDocument, { input: { modelId, tags } })),
    },
    'a version': {
      of: newVersion,
      set: (modelVersionId, tags) =>
        messageOf(tess.send(WorldSetModelVersionTagsDocument, { input: { modelVersionId, tags } })),
    },
    'an experiment': {
      of: () => createExperiment(tess),
      set: (id, tags) =>
        asRefusal(
          mlflow.send('POST', 'experiments/set-experiment-tag', { body: { experiment_id: hexOf(id), ...tags[0]! } }),
        ),
    },
    'a logged model': {
      of: newLoggedModel,
      set: (id, tags) => asRefusal(mlflow.send('PATCH', `logged-models/${id}/tags`, { body: { tags } })),
    },
  };

async function messageOf(answer: Promise<GraphQLResult<object>>): Promise<string | null> {
  return (await answer).errors?.[0]?.message ?? null;
}

/** Bytes that were sent to PostgreSQL while the work ran. */
async function bytesSent(work: () => Promise<unknown>): Promise<number> {
  const { statements, queries } = service;
  [statements.length, queries.length] = [0, 0];
  await work();
  const texts = statements.reduce((sum, text) => sum + text.length, 0);
  return queries.reduce((sum, { params }) => sum + JSON.stringify(params).length, texts);
}

describe.each(Object.entries(SETS))('the tags of %s', (what, { of, set }) => {
  // The longest text that the protocol accepts everywhere.
  const value = 'x'.repeat(4_900);

  it('cost what is changed, and have a common limit in bytes', async () => {
    const id = await of();
    const empty = await bytesSent(() => set(id, [{ key: 'small', value: 'a' }]));
    let refusal: string | null = null;
    let count = 0;
    for (; refusal === null && count < 400; count++) refusal = await set(id, [{ key: `k${count}`, value }]);
    expect(refusal).toMatch(/at most 1048576 bytes together/);
    expect(count).toBeGreaterThan(200);
    const startedAt = performance.now();
    const full = await bytesSent(() => set(id, [{ key: 'small', value: 'b' }]));
    console.log(
      `one small tag of ${what}: ${empty} bytes sent with none, ${full} with ${count - 1} of ${value.length}, ` +
        `${Math.round(performance.now() - startedAt)} ms`,
    );
    expect(full).toBeLessThan(empty + 5_000);
    const [{ bytes } = { bytes: 0 }] = await query<{ bytes: number }>(
      service,
      `select octet_length(coalesce(before::text, '')) + octet_length(after::text) as bytes from audit_log
       where action like '%Tag%' order by id desc limit 1`,
    );
    expect(bytes).toBeLessThan(1_000);
  }, 240_000);
});

it('100 tags of 80,000 characters are refused at once', async () => {
  const tags = Array.from({ length: 100 }, (_, i) => ({ key: `k${i}`, value: 'x'.repeat(80_000) }));
  const { extensions } = await refused(tess, WorldSetModelTagsDocument, { modelId: await newModel(), tags });
  expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.tags' });
});

it('tags are set and deleted one by one', async () => {
  const modelId = await newModel();
  const map = new Map<string, string>();
  const keys = ['a', 'b', '__proto__', 'ü'];
  for (let i = 0; i < 40; i++) {
    const key = keys[(i * 7) % keys.length]!;
    if (i % 3 === 2) {
      const { errors } = await tess.send(DeleteModelTagDetailsDocument, { input: { modelId, key } });
      expect(errors?.[0]?.extensions.code).toBe(map.delete(key) ? undefined : 'NOT_FOUND');
    } else {
      map.set(key, String(i));
      await mutate(tess, WorldSetModelTagsDocument, { modelId, tags: [{ key, value: String(i) }] });
    }
    const { model } = await tess.ok(ModelTagsDocument, { id: modelId });
    expect(new Map(model.tags.map(({ key: name, value }) => [name, value]))).toEqual(map);
  }
});

it('the parameters and tags of a run have a limit', async () => {
  const runId = await createRun(tess);
  const many = (from: number, value: string) => Array.from({ length: 100 }, (_, i) => ({ key: `k${from + i}`, value }));
  await query(
    service,
    `insert into run_param (tenant, run_id, key, value) select 'acme', $1, 'p' || n, 'v' from ` +
      'generate_series(1, 9950) n',
    [runId],
  );
  const { extensions } = await refused(tess, LogParamsDetailsDocument, { runId, params: many(0, 'v') });
  expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.params' });
  await mutate(tess, LogParamsDetailsDocument, { runId, params: many(0, 'v').slice(0, 50) });
  // The same again changes nothing.
  await mutate(tess, LogParamsDetailsDocument, { runId, params: many(0, 'v').slice(0, 50) });
});

it('a new name of an experiment with a long description writes a short audit row', async () => {
  const id = await createExperiment(tess);
  await mutate(tess, UpdateExperimentStateDocument, { id, description: 'x'.repeat(90_000) });
  const sent = await bytesSent(() => mutate(tess, UpdateExperimentStateDocument, { id, name: `n ${id}` }));
  expect(sent).toBeLessThan(10_000);
  const rows = await query<{ before: object; after: Record<string, unknown> }>(
    service,
    `select before, after from audit_log where action = 'updateExperiment' order by id desc limit 2`,
  );
  expect(Object.keys(rows[0]!.after)).toEqual(['name']);
  expect(rows[1]!.after['description']).toMatchObject({ sizeBytes: 90_000 });
});
