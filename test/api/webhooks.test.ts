// One file because it is one service with one receiver: what is sent, what is refused, and the log of both.
import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { Receiver, signaturesBy, type Received } from '../support/receiver.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { mutate } from '../support/tracking.js';
import {
  CARS_CONFIG,
  createExperiment,
  registerDataset,
  startTraining,
  trainingEnd,
  vegaPath,
} from '../support/training.js';
import {
  AuditLogDocument,
  CreateModelDocument,
  CreateWebhookDocument,
  WebhookDeliveriesDocument,
} from '../../schema/generated/operations.js';
import {
  CreateWebhookDetailsDocument,
  DeleteWebhookDetailsDocument,
  EventDetailsDocument,
  RedeliverWebhookDeliveryDetailsDocument,
  RotateWebhookSecretDetailsDocument,
  TestWebhookDetailsDocument,
  UpdateWebhookDetailsDocument,
  WebhookDeliveryDetailsDocument,
  type WebhookDeliveryDetailsQuery,
  type WebhookDeliveryStatus,
  WebhookEnabledDocument,
  WebhookFieldsDocument,
  WebhookSettingsDocument,
  WebhooksDetailsDocument,
  WebhooksWithDeliveriesDocument,
  type CreateWebhookInput,
  AuditLogActorAfterDocument,
  WebhooksTotalCountDocument,
  RedeliverWebhookDeliveryRedeliveryDocument,
} from '../generated/operations.js';

type Delivery = WebhookDeliveryDetailsQuery['webhook']['deliveries']['nodes'][number];

let service: TestService;
let receiver: Receiver;
let admin: Caller;
let db: pg.Client;
let names = 0;

beforeAll(async () => {
  service = await startTestService({
    WEBHOOK_ALLOW_HTTP: 'true',
    WEBHOOK_ALLOWED_HOSTS: '127.0.0.1',
    WEBHOOK_BACKOFF_MS: '1',
    DATABASE_POOL_SIZE: '4',
    MONITORING_INTERVAL_MS: '3600000',
  });
  receiver = await Receiver.start();
  admin = await service.as({ role: Role.ADMIN, subject: 'ada' });
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

async function newWebhook(
  path: string,
  input: Partial<CreateWebhookInput> = {},
  caller = admin,
): Promise<{ id: string; secret: string }> {
  const given: CreateWebhookInput = {
    name: `w-${names++}`,
    url: receiver.url(path),
    eventTypes: ['MODEL_REGISTERED'],
    ...input,
  };
  const { webhook, secret } = await mutate(caller, CreateWebhookDocument, given);
  return { id: webhook.id, secret };
}

/** An event as a use case writes it in its transaction. */
async function emit({
  tenant = 'acme',
  type = 'MODEL_REGISTERED',
  modelId = null as string | null,
  payload = {},
} = {}): Promise<string> {
  const { rows } = await db.query<{ id: string }>(
    `insert into event (id, tenant, type, subject_type, subject_id, model_id, payload)
     values (gen_random_uuid(), $1, $2, 'modelVersion', gen_random_uuid(), $3, $4) returning id`,
    [tenant, type, modelId, payload],
  );
  return rows[0]!.id;
}

async function log(id: string, status?: WebhookDeliveryStatus): Promise<Delivery[]> {
  return (await admin.ok(WebhookDeliveryDetailsDocument, { id, status })).webhook.deliveries.nodes;
}

/** The newest delivery, after it has the expected state. */
async function newest(
  webhookId: string,
  wanted: (delivery: Delivery) => boolean,
  timeoutMs = 20_000,
): Promise<Delivery> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const [delivery] = await log(webhookId);
    if (delivery && wanted(delivery)) return delivery;
    if (Date.now() > deadline) throw new Error(`It did not come there: ${JSON.stringify(delivery)}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

const ended = ({ status }: Delivery) => status !== 'PENDING';
const idOf = ({ headers }: Received) => headers['webhook-id'];

describe('a webhook', () => {
  it('gets events as signed messages with the same values as the API', async () => {
    const webhook = await newWebhook('/real', { eventTypes: ['MODEL_TRAINING_STARTED', 'MODEL_TRAINING_COMPLETED'] });
    const tess = await service.as();
    const experimentId = await createExperiment(tess);
    const datasetId = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
    const config = {
      ...CARS_CONFIG,
      hyperparameters: { epochs: 1, batchSize: 64, learningRate: 0.01, hiddenLayers: [4] },
    };
    const { jobId } = await startTraining(tess, { experimentId, datasetId, config });
    await trainingEnd(tess, jobId);
    const messages = await receiver.wait('/real', 2);
    for (const message of messages) {
      expect(signaturesBy(webhook.secret, message)).toEqual([true]);
      expect(signaturesBy(webhook.secret, { ...message, body: `${message.body} ` })).toEqual([false]);
      expect(message.headers).toMatchObject({
        'content-type': 'application/json',
        'user-agent': 'matih-ml-webhooks/1',
      });
      expect(Math.abs(Number(message.headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(60);
      const { subject, ...body } = JSON.parse(message.body) as { id: string; subject: { type: string; id: string } };
      const { event } = await tess.ok(EventDetailsDocument, { id: body.id });
      const { subjectType, subjectId, ...same } = event;
      expect([body, subject]).toEqual([same, { type: subjectType, id: subjectId }]);
    }
    expect(messages.map(({ body }) => (JSON.parse(body) as { type: string }).type).toSorted()).toEqual([
      'MODEL_TRAINING_COMPLETED',
      'MODEL_TRAINING_STARTED',
    ]);
    const delivery = await newest(webhook.id, ended);
    expect(delivery).toMatchObject({
      status: 'DELIVERED',
      attempts: 1,
      responseStatus: 204,
      error: null,
      nextAttemptAt: null,
    });
    expect(delivery.durationMs).toBeGreaterThan(0);
  });

  it('can be verified as its documentation shows', async () => {
    const { secret } = await newWebhook('/documented');
    await emit({ payload: { ü: '€ "quoted" \u2028' } });
    const [message] = await receiver.wait('/documented', 1);
    const [, code = ''] = /^```js\n([\s\S]*?)^```$/m.exec(await readFile('docs/webhooks.md', 'utf8')) ?? [];
    type Verify = (secret: string, headers: Record<string, string>, body: string) => { type: string } | null;
    const { verify } = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as { verify: Verify };
    const { headers, body } = message!;
    expect(verify(secret, headers, body)).toEqual(JSON.parse(body));
    expect(verify(secret, headers, body.replace('€', '$'))).toBeNull();
    expect(verify(`whsec_${Buffer.from('another').toString('base64')}`, headers, body)).toBeNull();
    expect(
      verify(secret, { ...headers, 'webhook-timestamp': String(Math.floor(Date.now() / 1000) - 3_600) }, body),
    ).toBeNull();
  });

  it('gets each event that it subscribes to exactly once, and nothing else', async () => {
    const [modelId] = await Promise.all([
      mutate(admin, CreateModelDocument, { name: `m-${names++}`, task: 'OTHER', modelType: 'x' }).then(
        ({ model }) => model.id,
      ),
      newWebhook('/all'),
    ]);
    await newWebhook('/model', { modelId });
    await newWebhook('/other-type', { eventTypes: ['MODEL_DEPLOYED'] });
    const stranger = await service.as({ tenant: 'stranger', role: Role.ADMIN });
    await newWebhook('/stranger', {}, stranger);
    const off = await newWebhook('/off');
    await mutate(admin, UpdateWebhookDetailsDocument, { id: off.id, enabled: false });
    const all = [];
    for (let i = 0; i < 60; i++) all.push(await emit({ modelId: i % 3 ? null : modelId }));
    await emit({ type: 'MODEL_VALIDATED' });
    await receiver.wait('/all', 60);
    await receiver.wait('/model', 20);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const came = (path: string) => receiver.at(path).map(({ body }) => (JSON.parse(body) as { id: string }).id);
    expect(came('/all').toSorted()).toEqual(all.toSorted());
    expect(came('/model').toSorted()).toEqual(all.filter((_, i) => i % 3 === 0).toSorted());
    expect(new Set(receiver.received.map(idOf)).size).toBe(80);
    expect(receiver.received).toHaveLength(80);
    console.log('webhooks: 61 events to 5 webhooks made 80 messages, each once');
  });

  it('returns its secret once; no query, list or audit row shows it', async () => {
    const { id, secret } = await newWebhook('/secret');
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const rotated = await mutate(admin, RotateWebhookSecretDetailsDocument, { id });
    await mutate(admin, UpdateWebhookDetailsDocument, { id, name: `w-${names++}` });
    await mutate(admin, DeleteWebhookDetailsDocument, { id });
    const { auditLog } = await admin.ok(AuditLogDocument, { filter: { subjectId: id } });
    expect(auditLog.nodes.map(({ action }) => action)).toEqual([
      'deleteWebhook',
      'updateWebhook',
      'rotateWebhookSecret',
      'createWebhook',
    ]);
    for (const text of [secret, rotated.secret]) expect(JSON.stringify(auditLog)).not.toContain(text.slice(6));
    const { __type } = await admin.ok(WebhookFieldsDocument);
    expect(__type!.fields!.map(({ name }) => name)).not.toContain('secret');
  });

  it('signs with both secrets after a rotation, so that no message is lost in between', async () => {
    const { id, secret } = await newWebhook('/rotate');
    const { secret: second } = await mutate(admin, RotateWebhookSecretDetailsDocument, { id });
    await emit();
    const [message] = await receiver.wait('/rotate', 1);
    expect([signaturesBy(second, message!), signaturesBy(secret, message!)]).toEqual([
      [true, false],
      [false, true],
    ]);
    await db.query(`update webhook set previous_secret_until = now() where id = $1`, [id]);
    await emit();
    const [, later] = await receiver.wait('/rotate', 2);
    expect(signaturesBy(second, later!)).toEqual([true]);
  });

  it('is only for ADMIN', async () => {
    const engineer = await service.as();
    expect(await engineer.fails(WebhooksDetailsDocument)).toMatchObject({ extensions: { code: 'FORBIDDEN' } });
    const input = { name: 'x', url: 'https://hooks.example.com/', eventTypes: ['MODEL_REGISTERED'] };
    expect(
      await engineer.fails(CreateWebhookDocument, {
        input,
      }),
    ).toMatchObject({
      extensions: { code: 'FORBIDDEN' },
    });
  });

  it('has a description', async () => {
    const given: CreateWebhookInput = {
      name: `w-${names++}`,
      url: receiver.url('/told'),
      eventTypes: ['MODEL_REGISTERED'],
      description: 'Tells the pager.',
    };
    const { webhook } = await mutate(admin, CreateWebhookDetailsDocument, given);
    expect(webhook).toMatchObject({ description: 'Tells the pager.' });
    const changed = await mutate(admin, UpdateWebhookDetailsDocument, { id: webhook.id, description: '' });
    expect(changed).toMatchObject({ webhook: { description: '' } });
    const long = await admin.fails(UpdateWebhookDetailsDocument, {
      input: { id: webhook.id, description: 'x'.repeat(5_001) },
    });
    expect(long.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.description' });
    await mutate(admin, DeleteWebhookDetailsDocument, { id: webhook.id });
  });

  it('may not have an address that the service must not call, a taken name or no events', async () => {
    const { id } = await newWebhook('/kept');
    const { webhook: before } = await admin.ok(WebhookSettingsDocument, { id });
    const create = (input: object) =>
      admin.fails(CreateWebhookDocument, {
        input: { name: 'hostile', url: 'https://hooks.example.com/', eventTypes: ['MODEL_REGISTERED'], ...input },
      });
    const update = (input: object) =>
      admin.fails(UpdateWebhookDetailsDocument, {
        input: { id, ...input },
      });
    for (const url of [
      'http://169.254.169.254/',
      'http://localhost:5432/',
      'file:///etc/passwd',
      'http://127.0.0.2/',
      'https://a:b@example.com/',
      'x',
    ]) {
      for (const change of [create, update]) {
        expect((await change({ url })).extensions, url).toMatchObject({ code: 'URL_NOT_ALLOWED', field: 'input.url' });
      }
    }
    for (const change of [create, update]) {
      expect((await change({ eventTypes: [] })).extensions).toMatchObject({
        code: 'BAD_USER_INPUT',
        field: 'input.eventTypes',
      });
      expect((await change({ name: ' ' })).extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.name' });
    }
    expect((await create({ name: before.name })).extensions).toMatchObject({ code: 'CONFLICT', field: 'input.name' });
    expect((await admin.ok(WebhookSettingsDocument, { id })).webhook).toEqual(before);
    expect(await admin.ok(WebhooksTotalCountDocument)).toEqual({ webhooks: { totalCount: 1 } });
  });
});

describe('a message that a receiver does not accept', () => {
  it('is sent again under the same id until it is accepted', async () => {
    receiver.answer = (_, count) => [500, 429, 200][count - 1] ?? 200;
    const { id, secret } = await newWebhook('/retry');
    await emit();
    const messages = await receiver.wait('/retry', 3);
    expect(new Set(messages.map(idOf)).size).toBe(1);
    expect(new Set(messages.map(({ body }) => body)).size).toBe(1);
    for (const message of messages) expect(signaturesBy(secret, message)).toEqual([true]);
    expect(await newest(id, ended)).toMatchObject({
      status: 'DELIVERED',
      attempts: 3,
      responseStatus: 200,
      error: null,
    });
  });

  it('fails after eight attempts, and can be sent again by hand', async () => {
    receiver.answer = () => (_, response) => void response.writeHead(503).end(`busy\0${'x'.repeat(5_000)}`);
    const { id } = await newWebhook('/dead');
    const eventId = await emit();
    const waiting = await newest(id, ({ attempts, status }) => attempts >= 2 && status === 'PENDING');
    expect(waiting.error).toBe('The receiver answered 503; only 200 to 299 count as received.');
    const dead = await newest(id, ended, 60_000);
    expect(dead).toMatchObject({
      status: 'FAILED',
      attempts: 8,
      responseStatus: 503,
      redelivery: 0,
      event: { id: eventId },
    });
    expect(dead.error).toBe('The receiver answered 503; only 200 to 299 count as received. Given up after 8 attempts.');
    expect(dead.responseBody).toBe(`busy\uFFFD${'x'.repeat(1_019)}`);
    receiver.answer = () => 200;
    const again = await mutate(admin, RedeliverWebhookDeliveryDetailsDocument, { deliveryId: dead.id });
    expect(again.delivery).toMatchObject({ status: 'PENDING', attempts: 0, redelivery: 1 });
    const [last] = (await receiver.wait('/dead', 9)).slice(-1);
    expect(idOf(last!)).toBe(again.delivery.id);
    expect((JSON.parse(last!.body) as { id: string }).id).toBe(eventId);
    expect(await newest(id, ended)).toMatchObject({ id: again.delivery.id, status: 'DELIVERED' });
    expect((await log(id, 'FAILED')).map((delivery) => delivery.id)).toEqual([dead.id]);
    // Two more at the same time get different numbers.
    const [one, two] = await Promise.all(
      [1, 2].map(() => mutate(admin, RedeliverWebhookDeliveryRedeliveryDocument, { deliveryId: dead.id })),
    );
    expect([one!.delivery.redelivery, two!.delivery.redelivery].toSorted()).toEqual([2, 3]);
    await receiver.wait('/dead', 11);
  });

  it('is not sent to the target of a redirect', async () => {
    receiver.answer = (path) =>
      path === '/from' ? (_, response) => response.writeHead(302, { location: receiver.url('/to') }).end() : 204;
    const { id } = await newWebhook('/from');
    await emit();
    const { error, responseStatus } = await newest(id, (delivery) => delivery.error !== null);
    expect([responseStatus, error]).toEqual([
      302,
      'The receiver answered 302, a redirect; redirects are not followed. Change the webhook’s url.',
    ]);
    expect(receiver.at('/to')).toEqual([]);
  });

  it('disables its webhook when the receiver is gone (410)', async () => {
    receiver.answer = () => 410;
    const { id } = await newWebhook('/gone');
    await emit();
    expect(await newest(id, ended)).toMatchObject({
      status: 'FAILED',
      attempts: 1,
      error: 'The receiver answered 410 (gone); the webhook has been disabled.',
    });
    expect((await admin.ok(WebhookEnabledDocument, { id })).webhook).toEqual({ enabled: false });
    const { auditLog } = await admin.ok(AuditLogActorAfterDocument, {
      filter: { subjectId: id, action: 'disableWebhook' },
    });
    expect(auditLog.nodes).toEqual([
      { actor: 'webhook-delivery', after: { enabled: false, reason: 'the receiver answered 410 (gone)' } },
    ]);
    const refused = await admin.fails(RedeliverWebhookDeliveryDetailsDocument, {
      input: { deliveryId: (await log(id))[0]!.id },
    });
    expect(refused.extensions.code).toBe('CONFLICT');
  });

  it('fails when its webhook is disabled, and is never sent to an address that is no longer allowed', async () => {
    receiver.answer = () => 500;
    const { id } = await newWebhook('/disabled');
    await emit();
    await receiver.wait('/disabled', 1);
    await mutate(admin, UpdateWebhookDetailsDocument, { id, enabled: false });
    expect(await newest(id, ended)).toMatchObject({ status: 'FAILED', error: 'The webhook is disabled.' });
    receiver.answer = () => 204;
    const moved = await newWebhook('/moved');
    await db.query(`update webhook set url = $1 where id = $2`, [`http://localhost:${receiver.port}/moved`, moved.id]);
    await emit();
    const refused = await newest(moved.id, ({ error }) => error !== null);
    expect(refused.error).toMatch(/^url: expected a public host name/);
    expect(receiver.at('/moved')).toEqual([]);
  });
});

describe('a ping', () => {
  it('tests a webhook, also a disabled one, once', async () => {
    const { id, secret } = await newWebhook('/ping');
    await mutate(admin, UpdateWebhookDetailsDocument, { id, enabled: false });
    const { delivery } = await mutate(admin, TestWebhookDetailsDocument, { id });
    const [message] = await receiver.wait('/ping', 1);
    expect(signaturesBy(secret, message!)).toEqual([true]);
    expect(JSON.parse(message!.body)).toMatchObject({
      id: delivery.id,
      type: 'PING',
      seq: null,
      subject: { type: 'webhook', id },
      payload: {},
    });
    expect(await newest(id, ended)).toMatchObject({ id: delivery.id, status: 'DELIVERED', attempts: 1, event: null });
    receiver.answer = () => 500;
    await mutate(admin, TestWebhookDetailsDocument, { id });
    expect(await newest(id, ({ responseStatus }) => responseStatus === 500)).toMatchObject({
      status: 'FAILED',
      attempts: 1,
    });
  });
});

describe('receivers that hang', () => {
  it('delay neither the database nor other receivers', async () => {
    const hanging: (() => void)[] = [];
    receiver.answer = (path) =>
      path === '/quick' ? 204 : (_, response) => void hanging.push(() => response.writeHead(204).end());
    const slow = await newWebhook('/slow');
    await newWebhook('/quick', { eventTypes: ['MODEL_DEPLOYED'] });
    for (let i = 0; i < 40; i++) await emit();
    await receiver.wait('/slow', 4);
    const startedMs = performance.now();
    await emit({ type: 'MODEL_DEPLOYED' });
    await receiver.wait('/quick', 1, 5_000);
    const quickMs = performance.now() - startedMs;
    // Other work also uses the database now and then; a delivery that waited for a receiver would hold its connection.
    await expect.poll(async () => (await service.app.context.db.poolUse()).inUse).toBe(0);
    const held = receiver.at('/slow').length;
    expect(held).toBeLessThanOrEqual(7);
    receiver.answer = () => 204;
    for (const answer of hanging) answer();
    await receiver.wait('/slow', 40);
    await newest(slow.id, ended);
    console.log(
      `webhooks: 40 messages to a receiver that hangs: ${held} under way, 0 connections held, another ` +
        `receiver reached in ${Math.round(quickMs)} ms`,
    );
  });
});

describe('a worker that is lost between sending and recording the result', () => {
  it('leaves a message that is sent again under the same id', async () => {
    const { id } = await newWebhook('/lost');
    await emit();
    const [first] = await receiver.wait('/lost', 1);
    const delivered = await newest(id, ended);
    // The state of the row while a message is being sent, and after the process is killed: until the lease ends, nobody
    // else takes it.
    const underWay =
      `update webhook_delivery set status = 'PENDING', ended_at = null, next_attempt_at = now() + $2 * ` +
      `interval '1 s' where id = $1`;
    await db.query(underWay, [delivered.id, 2]);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(receiver.at('/lost')).toHaveLength(1);
    const [, again] = await receiver.wait('/lost', 2);
    expect([idOf(again!), again!.body]).toEqual([idOf(first!), first!.body]);
    expect(await newest(id, ended)).toMatchObject({ id: delivered.id, status: 'DELIVERED', attempts: 2 });
  });
});

describe('the log of deliveries', () => {
  it('is paged, read in few statements for many webhooks, and old entries are deleted', async () => {
    const webhooks: { id: string }[] = [];
    for (let i = 0; i < 3; i++) webhooks.push(await newWebhook('/log'));
    for (let i = 0; i < 5; i++) await emit();
    await receiver.wait('/log', 15);
    for (const { id } of webhooks) await newest(id, ended);
    const seen = new Set<string>();
    const pageAfter = async (after: string | null) =>
      (await admin.ok(WebhookDeliveriesDocument, { id: webhooks[0]!.id, first: 2, after })).webhook.deliveries;
    let after: string | null = null;
    do {
      const { nodes, pageInfo } = await pageAfter(after);
      for (const { id } of nodes) seen.add(id);
      after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
    } while (after !== null);
    expect(seen.size).toBe(5);
    const count = async (first: number) => {
      service.statements.length = 0;
      await admin.ok(WebhooksWithDeliveriesDocument, { first });
      return service.statements.filter(
        (sql) => /^select/i.test(sql) && /\b(webhook|webhook_delivery|event)\b/.test(sql) && !/"seq" is null/.test(sql),
      ).length;
    };
    expect(await count(3)).toBe(await count(1));
    await db.query(`update webhook_delivery set ended_at = now() - interval '31 days' where webhook_id = $1`, [
      webhooks[0]!.id,
    ]);
    await service.app.context.services.webhookDeliveries.prune();
    expect([(await log(webhooks[0]!.id)).length, (await log(webhooks[1]!.id)).length]).toEqual([0, 5]);
  });
});
