import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { holdPut } from '../support/held-put.js';
import { MlflowCaller } from '../support/mlflow.js';
import { linear } from '../fixtures/models/build.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { query } from '../support/tracking.js';
import {
  CancelJobDetailsDocument,
  ConvertModelVersionDetailsDocument,
  ModelVersionsDetailsDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  // No worker runs the jobs, so their state does not change.
  service = await startTestService({ ROLE: 'api' });
  tess = await service.as();
});

afterAll(async () => {
  await service.close();
});

/** A version with files of scikit-learn. */
async function registerSklearn(caller: Caller, name: string): Promise<string> {
  const { url, token } = caller;
  const mlflow = new MlflowCaller(url, token);
  const runId = await mlflow.newRun();
  await fetch(`${url}/api/2.0/mlflow-artifacts/artifacts/0/${runId}/artifacts/model/MLmodel`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}` },
    body: 'flavors: { sklearn: { pickled_model: model.pkl } }',
  });
  await mlflow.post('registered-models/create', { name });
  await mlflow.post('model-versions/create', { name, source: `runs:/${runId}/model`, run_id: runId });
  const { modelVersions } = await caller.ok(ModelVersionsDetailsDocument);
  return modelVersions.nodes[0]!.id;
}

it('a version is converted by one job at a time', async () => {
  const id = await registerSklearn(tess, 'twice');
  const answers = await Promise.all(
    [1, 2, 3].map(() => tess.send(ConvertModelVersionDetailsDocument, { input: { modelVersionId: id } })),
  );
  const begun = answers.flatMap(({ data }) => data?.convertModelVersion.job.id ?? []);
  expect(begun).toHaveLength(1);
  const jobId = begun[0]!;
  expect(await tess.fails(ConvertModelVersionDetailsDocument, { input: { modelVersionId: id } })).toMatchObject({
    extensions: { code: 'CONFLICT', got: jobId },
  });
  await tess.ok(CancelJobDetailsDocument, { input: { jobId } });
  expect(await tess.ok(ConvertModelVersionDetailsDocument, { input: { modelVersionId: id } })).toBeDefined();
});

/** A program in place of Python that returns this file as the conversion of any model. */
async function convertsTo(folder: string, name: string, onnx: Uint8Array): Promise<string> {
  const measured = {
    framework: 'sklearn',
    frameworkVersion: '1',
    converter: 'test 1',
    opsets: {},
    precision: 'single',
  };
  const outcome = {
    state: 'CONVERTED',
    ...measured,
    sampleRows: 1,
    sampleSource: 'GENERATED',
    maxAbsDiff: 0,
    maxScaledDiff: 0,
  };
  const path = join(folder, name);
  await writeFile(`${path}.onnx`, onnx);
  await writeFile(`${path}.json`, JSON.stringify(outcome));
  const program =
    `#!/bin/sh\n[ "$1" = -c ] && exit 0\ncp '${path}.onnx' "$(dirname "$5")/model.onnx" && cp '${path}.json' ` +
    `"$5"\n`;
  await writeFile(path, program, { mode: 0o755 });
  return path;
}

it('files that a frozen worker sends late do not replace the conversion of a later attempt', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'matih-conversion-test-'));
  const [late, sound] = [linear([1, 2], 3), linear([4, 5], 6)];
  const settings = { CONVERSION_SANDBOX: 'process', PYTHON_PATH: await convertsTo(folder, 'late', late) };
  const first = await startTestService(settings);
  try {
    const caller = await first.as();
    const frozen = holdPut(first, /models\/frozen\/1\/.*model\.onnx$/);
    const id = await registerSklearn(caller, 'frozen');
    await frozen.key;
    const DATA_DIR = first.app.context.config.DATA_DIR;
    const PYTHON_PATH = await convertsTo(folder, 'sound', sound);
    const second = await startTestService({ ...settings, ROLE: 'worker', DATA_DIR, PYTHON_PATH }, first.database);
    try {
      await first.app.context.services.jobs.reconcile(0);
      const read = () =>
        query<{ path: string; key: string; sha256: string }>(
          first,
          'select path, object_key as key, sha256 from artifact where model_version_id = $1 order by path',
          [id],
        );
      await expect.poll(read, { timeout: 30_000 }).toHaveLength(3);
      await frozen.release();
      const files = await read();
      const hashes = files.map(async ({ key }) =>
        createHash('sha256').update(await buffer(await first.app.context.objects.get(key))),
      );
      expect((await Promise.all(hashes)).map((hash) => hash.digest('hex'))).toEqual(files.map(({ sha256 }) => sha256));
      const named = new Set(files.map(({ key }) => key));
      for (const { object_key: key } of await query<{ object_key: string }>(
        first,
        'select object_key from staged_object',
      ))
        named.add(key);
      for (const place of ['models', 'conversions'])
        for await (const key of first.app.context.objects.list(`acme/${place}`)) expect([...named]).toContain(key);
    } finally {
      await second.close();
    }
  } finally {
    await first.close();
    await rm(folder, { recursive: true, force: true });
  }
});

it('a converted file is stored under the documented path', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'matih-conversion-test-'));
  const PYTHON_PATH = await convertsTo(folder, 'python', linear([1, 2], 3));
  const own = await startTestService({ CONVERSION_SANDBOX: 'process', PYTHON_PATH });
  try {
    const id = await registerSklearn(await own.as(), 'plain');
    const read = () =>
      query<{ key: string }>(own, 'select object_key as key from artifact where model_version_id = $1 order by path', [
        id,
      ]);
    await expect.poll(read, { timeout: 30_000 }).toHaveLength(3);
    const paths = ['model.onnx', 'model_card.md', 'requirements.txt'];
    expect(await read()).toEqual(paths.map((path) => ({ key: `acme/models/plain/1/${path}` })));
    await expect.poll(() => query(own, 'select object_key from staged_object')).toEqual([]);
  } finally {
    await own.close();
    await rm(folder, { recursive: true, force: true });
  }
});
