import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { MlflowCaller, type MlflowRun } from '../support/mlflow.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { AuditLogDocument, CreateWebhookDocument } from '../../schema/generated/operations.js';
import { WebhooksDetailsDocument, CreateWebhookIdDocument } from '../generated/operations.js';

const AT_ONCE = 8;
const ROUNDS = 10;
const all = <T>(make: (i: number) => Promise<T>) => Promise.all(Array.from({ length: AT_ONCE }, (_, i) => make(i)));

let service: TestService;
let ada: Caller;

beforeAll(async () => {
  service = await startTestService({ DATABASE_POOL_SIZE: '20' });
  ada = await service.as({ role: Role.ADMIN, subject: 'ada' });
});
afterAll(() => service?.close());

describe(`${AT_ONCE} callers that create the same at the same time`, () => {
  it('create one webhook of a name, and the others get an error that the name is taken', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const name = `hook-${round}`;
      const answers = await all(() =>
        ada.send(CreateWebhookIdDocument, {
          input: { name, url: 'https://hooks.example.com/x', eventTypes: ['MODEL_REGISTERED'] },
        }),
      );
      const errors = answers.flatMap(({ errors: found }) => found ?? []);
      expect(errors).toHaveLength(AT_ONCE - 1);
      for (const error of errors) {
        expect(error).toMatchObject({
          message: `A webhook named "${name}" already exists.`,
          extensions: { code: 'CONFLICT', field: 'input.name', got: name },
        });
      }
    }
  });

  it('create no more webhooks than allowed', async () => {
    const { webhooks } = await ada.ok(WebhooksDetailsDocument);
    for (let i = webhooks.totalCount; i < 97; i++)
      await ada.ok(CreateWebhookDocument, {
        input: { name: `filler-${i}`, url: 'https://hooks.example.com/x', eventTypes: ['MODEL_REGISTERED'] },
      });
    const answers = await all((i) =>
      ada.send(CreateWebhookIdDocument, {
        input: { name: `last-${i}`, url: 'https://hooks.example.com/x', eventTypes: ['MODEL_REGISTERED'] },
      }),
    );
    expect(answers.filter(({ errors }) => !errors)).toHaveLength(3);
    expect((await ada.ok(WebhooksDetailsDocument)).webhooks.totalCount).toBe(100);
  });

  it('give a tenant one default experiment, with one audit entry', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const tenant = `tenant-${round}`;
      const client = await MlflowCaller.of(service, { tenant });
      const runs = await all(() =>
        client.send<{ run: MlflowRun }>('POST', 'runs/create', { body: { experiment_id: '0' } }),
      );
      expect(runs.map(({ status }) => status)).toEqual(runs.map(() => 200));
      expect(new Set(runs.map(({ body }) => body.run.info.experiment_id)).size).toBe(1);
      const owner = await service.as({ tenant, role: Role.ADMIN });
      const { auditLog } = await owner.ok(AuditLogDocument, { first: 50 });
      expect(auditLog.nodes.filter(({ action }) => action === 'createExperiment')).toHaveLength(1);
    }
  });
});
