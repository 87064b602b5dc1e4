import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { TrafficWriter } from '../support/traffic.js';
import { FollowEventsDocument } from '../../schema/generated/operations.js';

const EVENTS = 2_000;
const MOST_AT_ONCE = 250;

let service: TestService;
let admin: TrafficWriter;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  admin = await TrafficWriter.connect(service.database.url);
});
afterAll(async () => {
  await admin?.end();
  await service?.close();
});

it(
  `a backlog of ${EVENTS} events is numbered in their order, at most ${MOST_AT_ONCE} in one transaction, and ` +
    'their deliveries with them',
  async () => {
    await admin.query(
      `insert into webhook (id, tenant, name, url, event_types, secret, created_by) select gen_random_uuid(),
        'acme', 'w' || n, 'https://x.invalid', '["MODEL_REGISTERED"]', 's', 'x'
     from generate_series(1, 3) n`,
    );
    await admin.query(
      `insert into event (id, tenant, created_at, type, subject_type, subject_id, payload)
     select gen_random_uuid(), 'acme', now() - interval '1 hour' + n * interval '1 second', 'MODEL_REGISTERED',
       'model', gen_random_uuid(), jsonb_build_object('n', n)
     from generate_series(1, $1::int) n`,
      [EVENTS],
    );
    const followed = await tess.collect(FollowEventsDocument, { after: 0 }, (rows) => rows.length === EVENTS);
    expect(followed.map(({ payload }) => (payload as { n: number }).n)).toEqual(
      Array.from({ length: EVENTS }, (_, i) => i + 1),
    );
    // The events of one transaction have their numbers.
    const [event] = await admin.query<{ most: number }>(
      `select max(count)::int as most from (select count(*) from event group by xmin::text) by_transaction`,
    );
    expect(event?.most).toBeLessThanOrEqual(MOST_AT_ONCE);
    const deliveries = await admin.query<{ events: number; webhooks: number }>(
      'select count(distinct event_id)::int as events, count(distinct webhook_id)::int as webhooks from ' +
        'webhook_delivery',
    );
    expect(deliveries).toEqual([{ events: EVENTS, webhooks: 3 }]);
  },
);
