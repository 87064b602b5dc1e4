import { createHmac } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { Receiver, type Received } from '../support/receiver.js';
import { startTestService, tokenFor, type Caller, type TestService } from '../support/service.js';
import { CreateModelDocument } from '../../schema/generated/operations.js';
import {
  UpdateWebhookDetailsDocument,
  WebhookForMlflowWebhooksDocument,
  WebhooksNameFormatEventTypesDocument,
} from '../generated/operations.js';

interface MlflowWebhook {
  webhook_id: string;
  name: string;
  url: string;
  description?: string;
  events: { entity: string; action: string }[];
  status: string;
}

const SECRET = 'a secret that the client has chosen: ü';
const ALL = [
  { entity: 'REGISTERED_MODEL', action: 'CREATED' },
  { entity: 'MODEL_VERSION', action: 'CREATED' },
  { entity: 'MODEL_VERSION_TAG', action: 'SET' },
  { entity: 'MODEL_VERSION_ALIAS', action: 'CREATED' },
];

let service: TestService;
let receiver: Receiver;
let admin: Caller;
let db: pg.Client;

beforeAll(async () => {
  const settings = {
    WEBHOOK_ALLOW_HTTP: 'true',
    WEBHOOK_ALLOWED_HOSTS: '127.0.0.1',
    MONITORING_INTERVAL_MS: '3600000',
  };
  service = await startTestService(settings);
  receiver = await Receiver.start();
  admin = await service.as({ role: Role.ADMIN });
  db = new pg.Client({ connectionString: service.database.url });
  await db.connect();
});
afterEach(async () => {
  receiver.answer = () => 204;
  receiver.received.length = 0;
  await db.query('delete from webhook');
});
afterAll(async () => {
  await db?.end();
  await receiver?.close();
  await service?.close();
});

interface Answer {
  status: number;
  error_code?: string;
  message?: string;
  webhook?: MlflowWebhook;
  webhooks?: MlflowWebhook[];
  next_page_token?: string;
  result?: { success: boolean; response_status?: number; response_body?: string; error_message?: string };
}

async function ask(method: string, path: string, body?: object, token = admin.token): Promise<Answer> {
  const response = await fetch(`${service.url}/api/2.0/mlflow/webhooks${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  return { status: response.status, ...((await response.json()) as Omit<Answer, 'status'>) };
}

async function newWebhook(input: object = {}): Promise<MlflowWebhook> {
  const { webhook } = await ask('POST', '', {
    name: 'hook',
    url: receiver.url('/hook'),
    events: ALL,
    secret: SECRET,
    ...input,
  });
  return webhook!;
}

/** The check that MLflow's documentation tells receivers to make. */
function isSigned({ headers, body }: Received, secret: string): boolean {
  const signed = `${headers['x-mlflow-delivery-id']}.${headers['x-mlflow-timestamp']}.${body}`;
  return headers['x-mlflow-signature'] === `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`;
}

describe('webhooks of MLflow’s protocol', () => {
  it('are created, changed, listed in pages and deleted', async () => {
    const made = await newWebhook({ description: 'of a bot' });
    expect(made).toMatchObject({
      name: 'hook',
      description: 'of a bot',
      url: receiver.url('/hook'),
      events: ALL,
      status: 'ACTIVE',
    });
    expect(JSON.stringify(made)).not.toContain('secret');
    const changed = await ask('PATCH', `/${made.webhook_id}`, {
      status: 'DISABLED',
      events: [{ entity: 'MODEL_VERSION', action: 'CREATED' }],
    });
    expect(changed.webhook).toMatchObject({
      name: 'hook',
      status: 'DISABLED',
      events: [{ entity: 'MODEL_VERSION', action: 'CREATED' }],
    });
    expect((await ask('GET', `/${made.webhook_id}`)).webhook).toEqual(changed.webhook);
    const second = await newWebhook({ name: 'second' });
    const first = await ask('GET', '?max_results=1');
    expect(first.webhooks?.map(({ name }) => name)).toEqual(['second']);
    const rest = await ask('GET', `?max_results=1&page_token=${first.next_page_token}`);
    expect([rest.webhooks?.map(({ name }) => name), rest.next_page_token]).toEqual([['hook'], undefined]);
    expect(await ask('DELETE', `/${second.webhook_id}`)).toEqual({ status: 200 });
    expect(await ask('GET', `/${second.webhook_id}`)).toMatchObject({
      status: 404,
      error_code: 'RESOURCE_DOES_NOT_EXIST',
    });
    const { webhooks } = await admin.ok(WebhooksNameFormatEventTypesDocument);
    expect(webhooks.nodes).toEqual([{ name: 'hook', format: 'MLFLOW', eventTypes: ['MODEL_REGISTERED'] }]);
  });

  it('send the messages of MLflow’s server, and only the requested events', async () => {
    const { webhook_id: id } = await newWebhook();
    const { createModel } = await admin.ok(CreateModelDocument, {
      input: { name: 'hooked', task: 'OTHER', modelType: 'x', tags: [{ key: 'a', value: 'b' }] },
    });
    await receiver.wait('/hook', 1);
    const event = (type: string, payload: object) =>
      db.query(
        `insert into event (id, tenant, type, subject_type, subject_id, model_id, payload)
         values (gen_random_uuid(), 'acme', $1, 'modelVersion', gen_random_uuid(), $2, $3)`,
        [type, createModel.model.id, payload],
      );
    const runId = '01a1fedb-904e-7148-ad0f-33f9595d7d0f';
    const version = { modelName: 'hooked', version: 1 };
    await event('MODEL_REGISTERED', { ...version, runId, sourceUri: 'runs:/x/model', description: '', tags: {} });
    await event('MODEL_TAG_CHANGED', { ...version, key: 'k', value: 'v' });
    await event('MODEL_TAG_CHANGED', { ...version, key: 'k', value: null });
    await event('MODEL_TAG_CHANGED', { ...version, version: null, key: 'k', value: 'v' });
    await event('MODEL_ALIAS_CHANGED', { ...version, alias: 'champion' });
    await event('MODEL_ALIAS_CHANGED', { ...version, version: null, alias: 'champion' });
    const messages = await receiver.wait('/hook', 4);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(receiver.received).toHaveLength(4);
    for (const message of messages) {
      expect(isSigned(message, SECRET)).toBe(true);
      expect(isSigned({ ...message, body: `${message.body} ` }, SECRET)).toBe(false);
    }
    const bodies = messages.map(
      ({ body }) => JSON.parse(body) as { entity: string; action: string; timestamp: string; data: object },
    );
    const told = Object.fromEntries(bodies.map(({ entity, action, data }) => [`${entity}.${action}`, data]));
    expect(told).toEqual({
      'registered_model.created': { name: 'hooked', tags: { a: 'b' }, description: null },
      'model_version.created': {
        name: 'hooked',
        version: '1',
        source: 'runs:/x/model',
        run_id: runId.replaceAll('-', ''),
        tags: {},
        description: null,
      },
      'model_version_tag.set': { name: 'hooked', version: '1', key: 'k', value: 'v' },
      'model_version_alias.created': { name: 'hooked', alias: 'champion', version: '1' },
    });
    expect(bodies.every(({ timestamp }) => !Number.isNaN(Date.parse(timestamp)))).toBe(true);
    const { webhook } = await admin.ok(WebhookForMlflowWebhooksDocument, { id });
    expect(webhook).toEqual({ deliveries: { totalCount: 4 } });
  });

  it('are tested with the example of their first event, and report the result', async () => {
    const { webhook_id: id } = await newWebhook({ secret: undefined });
    const { result } = await ask('POST', `/${id}/test`, {});
    expect(result).toEqual({ success: true, response_status: 204, response_body: '' });
    const [message] = receiver.received;
    expect(JSON.parse(message!.body)).toMatchObject({
      entity: 'registered_model',
      action: 'created',
      data: { name: 'example_model' },
    });
    expect(message!.headers).not.toHaveProperty('x-mlflow-signature');
    receiver.answer = () => 500;
    expect((await ask('POST', `/${id}/test`, {})).result).toEqual({
      success: false,
      response_status: 500,
      response_body: 'status 500',
    });
    await db.query(`update webhook set url = $1`, [`http://127.0.0.2:${receiver.port}/`]);
    const refused = (await ask('POST', `/${id}/test`, {})).result;
    expect(refused).toMatchObject({
      success: false,
      error_message: expect.stringContaining('a public address; this one is loopback'),
    });
  });

  it('refuse wrong input with MLflow’s messages, and change nothing', async () => {
    const { webhook_id: id } = await newWebhook();
    const before = await ask('GET', '');
    const wrong: [object, string][] = [
      [{ url: 'http://169.254.169.254/' }, 'INVALID_PARAMETER_VALUE'],
      [{ url: 'file:///etc/passwd' }, 'INVALID_PARAMETER_VALUE'],
      [{ events: [{ entity: 'PROMPT', action: 'CREATED' }] }, 'INVALID_PARAMETER_VALUE'],
      [{ events: [{ entity: '__PROTO__', action: 'X' }] }, 'INVALID_PARAMETER_VALUE'],
      [{ status: 'SLEEPING' }, 'INVALID_PARAMETER_VALUE'],
    ];
    for (const [input, code] of wrong) {
      expect(await ask('PATCH', `/${id}`, input), JSON.stringify(input)).toMatchObject({
        status: 400,
        error_code: code,
      });
      const created = await ask('POST', '', { name: 'other', url: receiver.url('/'), events: ALL, ...input });
      expect(created, JSON.stringify(input)).toMatchObject({ status: 400, error_code: code });
    }
    expect(await ask('POST', '', { name: 'other', url: receiver.url('/') })).toMatchObject({
      error_code: 'INVALID_PARAMETER_VALUE',
    });
    expect(await ask('POST', '', { name: 'hook', url: receiver.url('/'), events: ALL })).toMatchObject({
      error_code: 'RESOURCE_ALREADY_EXISTS',
    });
    expect(await ask('GET', '')).toEqual(before);
    for (const absent of ['x', '01a1fedb-904e-7148-ad0f-33f9595d7d0f']) {
      expect(await ask('GET', `/${absent}`)).toMatchObject({ status: 404, error_code: 'RESOURCE_DOES_NOT_EXIST' });
    }
    const stranger = await tokenFor({ tenant: 'stranger', role: Role.ADMIN });
    const engineer = await tokenFor({ role: Role.ENGINEER });
    for (const [method, body] of [['GET'], ['PATCH', {}], ['DELETE']] as [string, object?][]) {
      expect(await ask(method, `/${id}`, body, stranger)).toMatchObject({
        status: 404,
        error_code: 'RESOURCE_DOES_NOT_EXIST',
      });
      expect(await ask(method, `/${id}`, body, engineer)).toMatchObject({
        status: 403,
        error_code: 'PERMISSION_DENIED',
      });
    }
    const refused = await admin.fails(UpdateWebhookDetailsDocument, { input: { id, eventTypes: ['MODEL_DEPLOYED'] } });
    expect(refused.extensions).toMatchObject({ code: 'CONFLICT', field: 'input.eventTypes' });
  });
});
