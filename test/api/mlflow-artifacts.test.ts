// One file because its tests share one running service, which takes longer to start than most of the tests.
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { sql } from '../support/embedded.js';
import { startTestService, type TestService } from '../support/service.js';

const PROXY = '/api/2.0/mlflow-artifacts';
const MIB = 1024 ** 2;

let service: TestService;
let token: string;
let experimentId: string;
let run: string;
let model: string;

interface Answer {
  status: number;
  json: Record<string, unknown>;
}

async function call(
  method: string,
  path: string,
  body?: object | Buffer,
  as = token,
): Promise<Answer & { bytes: Buffer }> {
  const isFile = Buffer.isBuffer(body);
  const response = await fetch(`${service.url}${path}`, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(`user:${as}`).toString('base64')}`,
      ...(body && { 'content-type': isFile ? 'text/plain' : 'application/json' }),
    },
    ...(body && { body: isFile ? new Uint8Array(body) : JSON.stringify(body) }),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const isJson = response.headers.get('content-type')?.startsWith('application/json');
  return {
    status: response.status,
    json: isJson ? (JSON.parse(bytes.toString()) as Record<string, unknown>) : {},
    bytes,
  };
}

const put = (path: string, content: Buffer | string, root = run) =>
  call('PUT', `${PROXY}/artifacts/${root}/artifacts/${path}`, Buffer.from(content));
const get = (path: string, root = run) => call('GET', `${PROXY}/artifacts/${root}/artifacts/${path}`);
const list = async (path: string) => (await call('GET', `${PROXY}/artifacts?path=${encodeURIComponent(path)}`)).json;

/** Keys of the object store below a folder. */
async function stored(folder = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of service.app.context.objects.list(folder)) keys.push(key);
  return keys;
}

/** A request whose path no client library corrects. */
function raw(method: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(service.url);
    const socket = connect(Number(port), hostname, () => {
      socket.write(
        `${method} ${path} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${token}\r\ncontent-type: ` +
          `text/plain\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx`,
      );
    });
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}

async function newRun(): Promise<string> {
  const { json } = await call('POST', '/api/2.0/mlflow/runs/create', {
    experiment_id: experimentId,
    start_time: Date.now(),
  });
  return `${experimentId}/${(json as { run: { info: { run_id: string } } }).run.info.run_id}`;
}

beforeAll(async () => {
  service = await startTestService({ MAX_UPLOAD_BYTES: String(40 * MIB), LOG_LEVEL: 'error' });
  ({ token } = await service.as());
  experimentId = (await call('POST', '/api/2.0/mlflow/experiments/create', { name: 'files' })).json[
    'experiment_id'
  ] as string;
  run = await newRun();
  const { json } = await call('POST', '/api/2.0/mlflow/logged-models', { experiment_id: experimentId, name: 'm' });
  model = `${experimentId}/models/${(json as { model: { info: { model_id: string } } }).model.info.model_id}`;
});
afterAll(() => service?.close());

/** On S3, small files stay files, because clients download them from there. */
const inFolder = !process.env['MATIH_ON_ENGINES'];

describe('the artifact proxy', () => {
  it('stores files of runs and logged models under the paths of users', async () => {
    const paths = [
      'plots/roc curve.png',
      '.gitattributes',
      'größe/模型.txt',
      "it's (1)+[2].csv",
      'model/data/model.keras',
      'a..b/...',
      '100 %.txt',
      'a:b.txt',
    ];
    for (const root of [run, model]) {
      for (const path of paths) {
        const encoded = path.split('/').map(encodeURIComponent).join('/');
        expect(await put(encoded, path, root), path).toMatchObject({ status: 200, json: {} });
        expect((await get(encoded, root)).bytes.toString(), path).toBe(path);
      }
      expect((await list(`${root}/artifacts`))['files']).toHaveLength(paths.length);
    }
    expect(await list(`${run}/artifacts/model`)).toEqual({ files: [{ path: 'data', is_dir: true }] });
    expect(await list(`${run}/artifacts/model/data`)).toEqual({
      files: [{ path: 'model.keras', is_dir: false, file_size: 22 }],
    });
    expect(await list(`${run}/artifacts/model/data/model.keras`)).toEqual({});
    expect(await list(`${run}/artifacts/none`)).toEqual({});
    const runId = run.split('/')[1];
    expect((await call('GET', `/api/2.0/mlflow/artifacts/list?run_id=${runId}&path=model`)).json).toEqual({
      root_uri: `mlflow-artifacts:/${run}/artifacts`,
      files: [{ path: 'model/data', is_dir: true }],
    });
    const modelId = model.split('/')[2];
    expect(
      (
        await call(
          'GET',
          `/api/2.0/mlflow/logged-models/${modelId}/artifacts/directories?artifact_directory_path=plots`,
        )
      ).json,
    ).toEqual({
      root_uri: `mlflow-artifacts:/${model}/artifacts`,
      files: [{ path: 'plots/roc curve.png', is_dir: false, file_size: 19 }],
    });
    expect((await call('GET', `/get-artifact?run_id=${runId}&path=.gitattributes`)).bytes.toString()).toBe(
      '.gitattributes',
    );
    const file = `/ajax-api/2.0/mlflow/logged-models/${modelId}/artifacts/files?artifact_file_path=.gitattributes`;
    expect((await call('GET', file)).bytes.toString()).toBe('.gitattributes');
    for (const [unnamed, message] of [
      [file.split('?')[0] ?? '', 'Request must include the "artifact_file_path" query parameter.'],
      [`/get-artifact?run_id=${runId}`, expect.stringContaining("Missing value for required parameter 'path'.")],
      [`/get-artifact?run_id=${runId}&path=`, `Artifact path refers to a directory, not a file: '${run}/artifacts/'`],
      [
        `/get-artifact?run_id=${runId}&path=model`,
        `Artifact path refers to a directory, not a file: '${run}/artifacts/model'`,
      ],
      ['/api/2.0/mlflow/artifacts/list', expect.stringContaining("Missing value for required parameter 'run_id'.")],
    ] as const) {
      expect(await call('GET', unnamed)).toMatchObject({ status: 400, json: { message } });
    }
  });

  it('sends a range, and every file as a download', async () => {
    await put('ranged.html', '0123456789');
    const response = await fetch(`${service.url}${PROXY}/artifacts/${run}/artifacts/ranged.html`, {
      headers: { authorization: `Bearer ${token}`, range: 'bytes=2-4' },
    });
    expect([response.status, await response.text(), response.headers.get('content-range')]).toEqual([
      206,
      '234',
      'bytes 2-4/10',
    ]);
    // Type and name are those of MLflow's server; a further header prevents browsers from showing it as a page.
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/html',
      'content-disposition': 'attachment; filename=ranged.html',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
    });
  });

  it('replaces and deletes files, and leaves nothing in the store', async () => {
    const own = await newRun();
    const folder = `acme/runs/${own.split('/')[1]!.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')}`;
    const tenant = (await stored()).find((key) => key.includes('/runs/'))!.split('/')[0]!;
    const keys = () => stored(folder.replace('acme', tenant));
    for (const content of ['first', 'second', '']) {
      await put('a/file', content, own);
      expect((await get('a/file', own)).bytes.toString()).toBe(content);
      await expect.poll(keys).toHaveLength(1);
    }
    await Promise.all(Array.from({ length: 6 }, (_, i) => put('a/file', `raced ${i}`, own)));
    await expect.poll(keys).toHaveLength(1);
    await put('a/b/other', 'x', own);
    await put('ab', 'x', own);
    // A file cannot be a folder, on no disk.
    for (const path of ['a', 'a/file/below'])
      expect(await put(path, 'x', own), path).toMatchObject({
        status: 400,
        json: { error_code: 'INVALID_PARAMETER_VALUE' },
      });
    for (let i = 0; i < 2; i++) {
      expect((await call('DELETE', `${PROXY}/artifacts/${own}/artifacts/a`)).status).toBe(200);
      expect(await list(`${own}/artifacts`)).toEqual({ files: [{ path: 'ab', is_dir: false, file_size: 1 }] });
    }
    await call('DELETE', `${PROXY}/artifacts/${own}/artifacts/`);
    await expect.poll(keys).toEqual([]);
    expect(await sql(service.database.url, 'select * from staged_object')).toEqual([]);
  });

  it.runIf(inFolder)('stores a file of a few bytes in the database, and all reads find it', async () => {
    const own = await newRun();
    const runId = own.split('/')[1]!.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    const { objects } = service.app.context;
    const rows = () => sql(service.database.url, `select 1 from small_object where key like '%/${runId}/%'`);
    const keyOf = async (path: string) =>
      (await sql(
        service.database.url,
        `select object_key from artifact where run_id = '${runId}' and path = '${path}'`,
      )) as [{ object_key: string }];
    const longest = randomBytes(8_192);
    for (const [path, content] of Object.entries({ empty: '', 'it\'s "$1"?.txt': '0123456789', longest })) {
      expect((await put(encodeURIComponent(path), content, own)).status, path).toBe(200);
      expect((await get(encodeURIComponent(path), own)).bytes, path).toEqual(Buffer.from(content));
    }
    expect(await rows()).toHaveLength(3);
    await put('longer', randomBytes(8_193), own);
    expect(await rows()).toHaveLength(3);
    expect(await stored(`acme/runs/${runId}`)).toHaveLength(4);

    const [{ object_key: key }] = await keyOf('longest');
    expect(await objects.sizeBytes(key)).toBe(8_192);
    expect(await buffer(await objects.get(key, { start: 8_190, end: 9_000 }))).toEqual(longest.subarray(8_190));
    await expect(objects.get(key, { start: 8_192, end: 9_000 })).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
    {
      using local = await objects.localFile(key);
      expect(await readFile(local.path)).toEqual(longest);
      expect(local.path).not.toContain(service.app.context.config.DATA_DIR);
    }
    const presigned = (await call('GET', `${PROXY}/presigned/${own}/artifacts/longest`)).json as { url: string };
    const ranged = await fetch(presigned.url, { headers: { range: 'bytes=10-19' } });
    expect([ranged.status, Buffer.from(await ranged.arrayBuffer())]).toEqual([206, longest.subarray(10, 20)]);

    // From the database to the disk and back: neither keeps an old copy.
    for (const content of [randomBytes(20_000), Buffer.from('short'), Buffer.from('other')]) {
      await put('longest', content, own);
      expect((await get('longest', own)).bytes).toEqual(content);
      await expect.poll(() => stored(`acme/runs/${runId}`)).toHaveLength(4);
    }
    await expect(objects.sizeBytes(key)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await call('DELETE', `${PROXY}/artifacts/${own}/artifacts/`);
    await expect.poll(() => stored(`acme/runs/${runId}`)).toEqual([]);
    expect(await rows()).toEqual([]);
    expect(await sql(service.database.url, 'select * from staged_object')).toEqual([]);
  });

  it.runIf(inFolder)('stores a new small file in one round trip to the database', async () => {
    const own = await newRun();
    const runId = own.split('/')[1]!.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    for (const name of ['first', 'second']) await put(name, 'x', own);
    service.statements.length = 0;
    await put('third', 'x', own);
    const about = service.statements.filter((text) => text.includes(runId));
    expect(about).toHaveLength(1);
    expect(about[0]).toMatch(/^select set_config.*third/s);
  });

  it('deletes a folder of very many files step by step, and nothing beside it', async () => {
    const own = await newRun();
    const runId = own.split('/')[1]!.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    for (const path of ['many/real', 'many.txt', 'many-more/x']) await put(path, 'x', own);
    const count = 2_500;
    await sql(
      service.database.url,
      `insert into artifact (id, tenant, run_id, path, object_key, size_bytes, sha256, content_type)
       select gen_random_uuid(), tenant, run_id, 'many/' || n,
         tenant || '/runs/' || run_id || '/artifacts/' || n || '/file', 1, repeat('0', 64), 'text/plain'
       from artifact, generate_series(1, ${count}) n where run_id = '${runId}' and path = 'many.txt'`,
    );
    service.queries.length = 0;
    expect((await call('DELETE', `${PROXY}/artifacts/${own}/artifacts/many`)).status).toBe(200);
    const longest = Math.max(
      ...service.queries.flatMap(({ params }) => params.map((value) => (Array.isArray(value) ? value.length : 1))),
    );
    expect(longest).toBeLessThanOrEqual(1_000);
    expect(
      await sql(service.database.url, `select path from artifact where run_id = '${runId}' order by path`),
    ).toEqual(['many-more/x', 'many.txt'].map((path) => ({ path })));
    // Some are deleted at once, the others at the next turn of the sweeper.
    const staged = () => sql(service.database.url, 'select object_key from staged_object');
    await service.app.context.services.staged.sweep();
    await expect.poll(staged, { timeout: 20_000 }).toEqual([]);
    expect(await stored(`acme/runs/${runId}`)).toHaveLength(2);
  });

  it('refuses every path that leads elsewhere, however it is encoded', async () => {
    const runId = run.split('/')[1];
    const hostile = [
      '../x',
      '..%2fx',
      '%2e%2e/x',
      '%2e%2e%2fx',
      '%252e%252e/x',
      '%252e%252e%252fx',
      '%25252e%25252e/x',
      'a/../../x',
      'a%5c..%5cx',
      'a\\x',
      '%00',
      'a%00.txt',
      'a%0d%0ab',
      'file:///etc/passwd',
      'C:/x',
      'c:%5cx',
      'a%23b',
      'x'.repeat(1_100),
    ];
    const before = await stored();
    for (const path of hostile) {
      for (const root of [`${run}/artifacts`, `${model}/artifacts`]) {
        for (const method of ['PUT', 'GET', 'DELETE']) {
          const answer = await raw(method, `${PROXY}/artifacts/${root}/${path}`);
          expect(answer.split('\r\n')[0], `${method} ${path}`).toMatch(/ 400 /);
          expect(answer, `${method} ${path}`).toContain('INVALID_PARAMETER_VALUE');
        }
      }
      const decoded = path.startsWith('%') || path.includes('%') ? path : encodeURIComponent(path);
      expect((await call('GET', `${PROXY}/artifacts?path=${run}/artifacts/${decoded}`)).json['error_code'], path).toBe(
        'INVALID_PARAMETER_VALUE',
      );
      expect(
        (await call('GET', `/api/2.0/mlflow/artifacts/list?run_id=${runId}&path=${decoded}`)).json['error_code'],
        path,
      ).toBe('INVALID_PARAMETER_VALUE');
      expect(
        (await call('POST', `${PROXY}/mpu/create/${run}/artifacts/${decoded}`, { path: 'f', num_parts: 1 })).status,
        path,
      ).toBe(400);
    }
    for (const path of [
      '',
      'x',
      '0',
      `${run}`,
      `${run}/other/x`,
      `${experimentId}/models/x`,
      `${model}/x`,
      '/etc/passwd',
      `${run}/artifacts`,
    ]) {
      expect((await call('PUT', `${PROXY}/artifacts/${path}`, Buffer.from('x'))).status, path).toBeGreaterThanOrEqual(
        400,
      );
    }
    expect(await stored()).toEqual(before);
  });

  it('finds neither runs of other tenants nor runs under another experiment', async () => {
    const stranger = (await service.as({ tenant: 'globex' })).token;
    const viewer = (await service.as({ role: Role.VIEWER })).token;
    const path = `${PROXY}/artifacts/${run}/artifacts/.gitattributes`;
    const absent = `${PROXY}/artifacts/${experimentId}/${'0'.repeat(32)}/artifacts/x`;
    for (const method of ['GET', 'DELETE', 'PUT']) {
      const body = method === 'PUT' ? Buffer.from('x') : undefined;
      expect(await call(method, path, body, stranger), method).toMatchObject({
        status: 404,
        json: { error_code: 'RESOURCE_DOES_NOT_EXIST' },
      });
      expect(await call(method, absent, body), method).toMatchObject({
        status: 404,
        json: { error_code: 'RESOURCE_DOES_NOT_EXIST' },
      });
      expect(await call(method, path.replace(experimentId, '0'), body), method).toMatchObject({ status: 404 });
    }
    expect((await call('GET', path, undefined, viewer)).status).toBe(200);
    expect(await call('PUT', path, Buffer.from('x'), viewer)).toMatchObject({
      status: 403,
      json: { error_code: 'PERMISSION_DENIED' },
    });
    expect((await fetch(`${service.url}${path}`)).status).toBe(401);
    expect(await get('none')).toMatchObject({
      status: 404,
      json: { error_code: 'RESOURCE_DOES_NOT_EXIST', message: `No such artifact: '${run}/artifacts/none'` },
    });
  });

  it('refuses a file that is too large, and stores nothing of it', async () => {
    const before = await stored();
    const answer = await put('large', Buffer.alloc(41 * MIB));
    expect(answer).toMatchObject({ status: 400, json: { error_code: 'INVALID_PARAMETER_VALUE' } });
    expect(await stored()).toEqual(before);
  });
});

describe('multipart', () => {
  const create = (path: string, parts: number, name = '/home/me/big.bin') =>
    call('POST', `${PROXY}/mpu/create/${run}/artifacts${path}`, { path: name, num_parts: parts });
  type Created = { upload_id: string; credentials: { url: string; part_number: number }[] };

  async function send({ credentials }: Created, content: Buffer, partBytes: number) {
    const parts: { part_number: number; etag: string }[] = [];
    for (const { url, part_number: number } of credentials) {
      const body = new Uint8Array(content.subarray((number - 1) * partBytes, number * partBytes));
      const response = await fetch(url, { method: 'PUT', body });
      expect(response.status).toBe(200);
      parts.push({ part_number: number, etag: response.headers.get('etag') ?? '' });
    }
    return parts;
  }

  it('accepts the parts at URLs without a token, and puts the file at its path', async () => {
    const content = randomBytes(13 * MIB);
    const created = (await create('/deep', 3)).json as unknown as Created;
    expect(created.credentials.map(({ part_number: number }) => number)).toEqual([1, 2, 3]);
    const parts = await send(created, content, 5 * MIB);
    const complete = (of: object[], id = created.upload_id) =>
      call('POST', `${PROXY}/mpu/complete/${run}/artifacts/deep`, {
        path: '/home/me/big.bin',
        upload_id: id,
        parts: of,
      });
    expect((await get('deep/big.bin')).status).toBe(404);
    expect(await complete(parts.slice(1))).toMatchObject({
      status: 400,
      json: { error_code: 'INVALID_PARAMETER_VALUE' },
    });
    expect((await complete(parts.map((part) => ({ ...part, etag: 'x' })))).status).toBe(400);
    expect((await complete(parts, '00000000-0000-7000-8000-000000000000')).status).toBe(404);
    expect(await complete(parts)).toMatchObject({ status: 200, json: {} });
    const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(sha256((await get('deep/big.bin')).bytes)).toBe(sha256(content));
    const presigned = (await call('GET', `${PROXY}/presigned/${run}/artifacts/deep/big.bin`)).json as {
      url: string;
      file_size: number;
    };
    expect(presigned.file_size).toBe(content.length);
    const ranged = await fetch(presigned.url, { headers: { range: `bytes=${MIB}-${2 * MIB - 1}` } });
    expect([ranged.status, sha256(Buffer.from(await ranged.arrayBuffer()))]).toEqual([
      206,
      sha256(content.subarray(MIB, 2 * MIB)),
    ]);
    expect(await sql(service.database.url, 'select * from direct_upload')).toEqual([]);
  });

  it('that is aborted leaves nothing, and an upload to another path does not exist', async () => {
    const created = (await create('', 1)).json as unknown as Created;
    await send(created, randomBytes(100), 100);
    const abort = (path: string, upload_id = created.upload_id) =>
      call('POST', `${PROXY}/mpu/abort/${run}/artifacts${path}`, { path: 'big.bin', upload_id });
    expect((await abort('/elsewhere')).status).toBe(404);
    expect((await abort('')).status).toBe(200);
    expect((await abort('')).status).toBe(404);
    expect((await fetch(created.credentials[0]!.url, { method: 'PUT', body: 'x' })).status).toBe(404);
    expect(await sql(service.database.url, 'select * from direct_upload')).toEqual([]);
    expect(await sql(service.database.url, 'select * from staged_object')).toEqual([]);
  });

  it('refuses invalid numbers of parts', async () => {
    for (const parts of [0, -1, 10_001])
      expect((await create('', parts)).json['error_code'], String(parts)).toBe('INVALID_PARAMETER_VALUE');
    expect((await create('', 1, '')).json['error_code']).toBe('INVALID_PARAMETER_VALUE');
    expect((await create('', 1, '..')).json['error_code']).toBe('INVALID_PARAMETER_VALUE');
  });
});
