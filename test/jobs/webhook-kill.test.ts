import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { ServiceGroup } from '../support/processes.js';
import { Receiver, signaturesBy } from '../support/receiver.js';
import type { Caller } from '../support/service.js';
import { CreateWebhookDocument } from '../../schema/generated/operations.js';
import { WebhookDetailsDocument } from '../generated/operations.js';

const SETTINGS = { WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOWED_HOSTS: '127.0.0.1' };
const MESSAGES = 20;

let group: ServiceGroup;
let receiver: Receiver;
let admin: Caller;
let db: pg.Client;

beforeEach(async () => {
  group = await ServiceGroup.create();
  receiver = await Receiver.start();
  admin = await group.as(await group.start('api', SETTINGS), { role: Role.ADMIN });
  db = new pg.Client({ connectionString: group.database.url });
  await db.connect();
});
afterEach(async () => {
  await db?.end();
  await group?.close();
  await receiver?.close();
});

async function newWebhook(): Promise<{ id: string; secret: string }> {
  const { createWebhook } = await admin.ok(CreateWebhookDocument, {
    input: { name: 'w', url: receiver.url('/hook'), eventTypes: ['MODEL_REGISTERED'] },
  });
  return { id: createWebhook.webhook.id, secret: createWebhook.secret };
}

async function emit(count: number): Promise<void> {
  await db.query(
    `insert into event (id, tenant, type, subject_type, subject_id, payload)
     select gen_random_uuid(), 'acme', 'MODEL_REGISTERED', 'modelVersion', gen_random_uuid(), '{}'
       from generate_series(1, $1)`,
    [count],
  );
}

async function statuses(id: string): Promise<Record<string, number>> {
  const { webhook } = await admin.ok(WebhookDetailsDocument, { id });
  return Object.fromEntries(
    Object.entries(Object.groupBy(webhook.deliveries.nodes, ({ status }) => status)).map(([status, all]) => [
      status,
      all!.length,
    ]),
  );
}

async function allDelivered(id: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while ((await statuses(id))['DELIVERED'] !== MESSAGES) {
    if (Date.now() > deadline) throw new Error(`After 30 s: ${JSON.stringify(await statuses(id))}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

it('a worker killed with -9 during a delivery: every message arrives, those being sent again under the same id', async () => {
  const { id, secret } = await newWebhook();
  receiver.answer = () => () => undefined;
  const first = await group.start('worker', SETTINGS);
  await emit(MESSAGES);
  const underWay = [...(await receiver.wait('/hook', 4))];
  await first.end('SIGKILL');
  receiver.answer = () => 204;
  await group.start('worker', SETTINGS);
  await receiver.wait('/hook', MESSAGES);
  // The messages that were being sent are the dead worker's until its lease of half a minute ends; here it ends now.
  const dead = underWay.map(({ headers }) => headers['webhook-id']);
  await db.query(
    `update webhook_delivery set next_attempt_at = now() where status = 'PENDING' and id::text = any($1)`,
    [dead],
  );
  await allDelivered(id);
  const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
  expect(new Set(ids).size).toBe(MESSAGES);
  const twice = ids.filter((one, i) => ids.indexOf(one) !== i);
  expect(twice.toSorted()).toEqual(dead.toSorted());
  for (const message of receiver.received) expect(signaturesBy(secret, message)).toEqual([true]);
  console.log(
    `webhooks: worker killed -9 with ${underWay.length} of ${MESSAGES} messages under way: all arrived, ` +
      `those ${twice.length} twice`,
  );
});

it('two workers share the waiting messages, and one that is stopped leaves nothing', async () => {
  const { id } = await newWebhook();
  receiver.answer = () => (_, response) => void setTimeout(() => response.writeHead(204).end(), 300);
  const [first] = await Promise.all([group.start('worker', SETTINGS), group.start('worker', SETTINGS)]);
  await emit(MESSAGES);
  await receiver.wait('/hook', 4);
  expect(await first.end('SIGTERM')).toBe(0);
  await allDelivered(id);
  expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(MESSAGES);
  expect(receiver.received).toHaveLength(MESSAGES);
});
