import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { LATENCY_BUCKETS } from '../../src/modules/model-contract/rules/latency-histogram.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { newExperiment } from '../support/runs.js';
import { TrafficWriter } from '../support/traffic.js';
import { AuditLogDocument, FollowEventsDocument } from '../../schema/generated/operations.js';
import { JobProgressSeqStatusDocument, EndpointRequestsDocument } from '../generated/operations.js';

const DAY_MS = 24 * 60 * 60 * 1000;

let service: TestService;
let admin: TrafficWriter;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService({ EVENT_LOG_DAYS: '10', TRAFFIC_LOG_DAYS: '20', AUDIT_LOG_DAYS: '0' });
  tess = await service.as({ role: Role.ADMIN });
  admin = await TrafficWriter.connect(service.database.url);
});
afterAll(async () => {
  await admin?.end();
  await service?.close();
});

const prune = () => service.app.context.services.retention.prune();
const idFrom = (daysAgo: number) => uuidv7({ msecs: Date.now() - daysAgo * DAY_MS });
const seqs = (rows: { seq: number | null }[]) => rows.map(({ seq }) => seq);

/** Numbered events as they would be after this many days, oldest first. */
async function addEvents(tenant: string, ...daysAgo: number[]): Promise<number[]> {
  const numbers: number[] = [];
  for (const days of daysAgo) {
    const [row] = await admin.query<{ seq: string }>(
      `insert into event (id, tenant, created_at, type, subject_type, subject_id, payload, seq)
       values ($1, $2, now() - $3 * interval '1 day', 'MODEL_REGISTERED', 'model', $1, '{}', nextval('event_seq'))
         returning seq`,
      [idFrom(days), tenant, days],
    );
    numbers.push(Number(row?.seq));
  }
  return numbers;
}

describe('data that is older than its retention', () => {
  it('is deleted from the events with their deliveries, and a client that would miss some gets an error', async () => {
    const [first, second, third, fourth] = (await addEvents('acme', 30, 20, 5, 0)) as [number, number, number, number];
    const [quiet] = await addEvents('quiet', 40);
    const webhookId = uuidv7();
    await admin.query(
      `insert into webhook (id, tenant, name, url, event_types, secret, created_by) values ($1, 'acme', 'w', ` +
        `'https://x', '[]', 's', 'x')`,
      [webhookId],
    );
    await admin.query(
      'insert into webhook_delivery (id, tenant, webhook_id, event_id, status, ended_at) select ' +
        `gen_random_uuid(), 'acme', $1, id, 'DELIVERED', now() from event where tenant = 'acme'`,
      [webhookId],
    );
    expect(seqs(await tess.collect(FollowEventsDocument, { after: 0 }, (rows) => rows.length === 4))).toEqual([
      first,
      second,
      third,
      fourth,
    ]);
    await prune();
    expect(seqs(await tess.collect(FollowEventsDocument, { after: 0 }, (rows) => rows.length === 2))).toEqual([
      third,
      fourth,
    ]);
    expect(seqs(await tess.collect(FollowEventsDocument, { after: second }, (rows) => rows.length === 2))).toEqual([
      third,
      fourth,
    ]);
    await expect(tess.collect(FollowEventsDocument, { after: first }, () => false)).rejects.toThrow(
      new RegExp(`after: expected 0 for all that is still kept, or ${second} or more.*got ${first}.*BAD_USER_INPUT`),
    );
    expect(
      await admin.query(`select count(*)::int as count from webhook_delivery where webhook_id = $1`, [webhookId]),
    ).toEqual([{ count: 2 }]);
    // A tenant without new events keeps its newest event, and misses nothing.
    const still = await service.as({ tenant: 'quiet' });
    expect(seqs(await still.collect(FollowEventsDocument, { after: 0 }, (found) => found.length === 1))).toEqual([
      quiet,
    ]);
  });

  it('is deleted from the steps of ended jobs, except the last step', async () => {
    const [old, recent] = [idFrom(30), idFrom(30)];
    for (const [id, endedDaysAgo] of [
      [old, 29],
      [recent, 1],
    ] as const) {
      await admin.query(
        `insert into job (id, tenant, kind, status, config, event_seq, created_by, ended_at)
         values ($1, 'acme', 'GARBAGE_COLLECTION', 'SUCCEEDED', '{}', 3, 'x', now() - $2 * interval '1 day')`,
        [id, endedDaysAgo],
      );
      await admin.query(
        `insert into job_event (tenant, job_id, seq, status, attempt, progress, message)
         values ('acme', $1, 1, 'RUNNING', 1, 0, 'a'), ('acme', $1, 2, 'RUNNING', 1, 0.5, 'b'), ('acme', $1, 3,
           'SUCCEEDED', 1, 1, 'c')`,
        [id],
      );
    }
    await prune();
    const steps = (jobId: string, after?: number) =>
      tess.collect(JobProgressSeqStatusDocument, { jobId, after }, () => false);
    expect(seqs(await steps(recent))).toEqual([1, 2, 3]);
    expect(seqs(await steps(old))).toEqual([3]);
    expect(seqs(await steps(old, 2))).toEqual([3]);
    expect(await steps(old, 3)).toEqual([]);
    await expect(steps(old, 1)).rejects.toThrow(/after: expected 0 for all that is still kept, or 2 or more.*got 1/);
  });

  it('is deleted from the steps of a job in limited batches, oldest first', async () => {
    const id = idFrom(30);
    await admin.query(
      `insert into job (id, tenant, kind, status, config, event_seq, created_by, ended_at)
       values ($1, 'acme', 'GARBAGE_COLLECTION', 'SUCCEEDED', '{}', 21500, 'x', now() - interval '28 days')`,
      [id],
    );
    await admin.query(
      `insert into job_event (tenant, job_id, seq, status, attempt, progress, message)
       select 'acme', $1, n, case n when 21500 then 'SUCCEEDED' else 'RUNNING' end, 1, 0, '' from generate_series(1,
         21500) n`,
      [id],
    );
    const kept = () =>
      admin.query('select min(seq)::int as first, count(*)::int as count from job_event where job_id = $1', [id]);
    await prune();
    expect(await kept()).toEqual([{ first: 20_001, count: 1_500 }]);
    await prune();
    expect(await kept()).toEqual([{ first: 21_500, count: 1 }]);
  });

  it('is deleted from the minutes of traffic', async () => {
    const { deploymentId, endpointId } = await admin.serve(null);
    await admin.query(
      `insert into deployment_minute (tenant, deployment_id, minute, requests, latency_counts)
       select 'acme', $1, date_trunc('minute', now()) - days * interval '1 day' - n * interval '1 minute', 1, $2
       from unnest(array[1, 30]) days, generate_series(1, 1500) n`,
      [deploymentId, new Array(LATENCY_BUCKETS).fill(0)],
    );
    await prune();
    const { endpoint } = await tess.ok(EndpointRequestsDocument, { id: endpointId });
    expect(endpoint.deployments).toEqual([{ traffic: { requests: 1500 } }]);
  });

  it('stays in the audit log for ever, unless a setting limits it', async () => {
    await newExperiment(tess);
    await admin.query(
      `insert into audit_log (id, tenant, created_at, actor, role, action, subject_type, subject_id, request_id)
       select $1, 'acme', now() - interval '3 years', 'old', 'ADMIN', 'createModel', 'model', 'x', 'x'`,
      [idFrom(3 * 365)],
    );
    const count = async () => {
      const { auditLog } = await tess.ok(AuditLogDocument);
      return auditLog.totalCount;
    };
    const before = await count();
    await prune();
    expect(await count()).toBe(before);
    const strict = await startTestService({ AUDIT_LOG_DAYS: '365' }, service.database);
    await strict.app.context.services.retention.prune();
    await strict.close();
    expect(await count()).toBe(before - 1);
  });
});
