import { afterAll, beforeAll, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { RawSocket, type Frame } from '../support/raw-socket.js';
import { newRun } from '../support/runs.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { FollowRunMetricsDocument, LogMetricsDocument } from '../../schema/generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

it('subscriptions with the same operation share answers, and all others get their own', async () => {
  const runId = await newRun(tess);
  const metrics = (from: number) => [0, 1, 2].map((i) => ({ key: 'loss', value: 0.5, step: from + i }));
  await tess.ok(LogMetricsDocument, { input: { runId, metrics: metrics(1) } });
  const same = 'subscription ($runId: ID!, $after: SafeInt) { runMetrics(runId: $runId, after: $after) { seq value } }';
  const by =
    'subscription ($runId: ID!, $named: Boolean!) { runMetrics(runId: $runId, after: 0) { seq key ' +
    '@include(if: $named) } }';
  const asked: { query: string; variables: Record<string, unknown>; id: string; caller?: Caller }[] = [
    { query: same, variables: { after: 0 }, id: '1' },
    { query: same, variables: { after: 2 }, id: 'a"quoted\\ and ünusual id' },
    { query: same, variables: { after: 0 }, id: 'viewer', caller: await service.as({ role: Role.VIEWER }) },
    { query: by, variables: { named: true }, id: 'with key' },
    { query: by, variables: { named: false }, id: 'without' },
    { query: `subscription { runMetrics(runId: "${runId}", after: 0) { s: step } }`, variables: {}, id: 'alias' },
  ];
  const items: Record<string, unknown[]> = {};
  const sockets = await Promise.all(
    asked.map(async ({ query, variables, id, caller }) => {
      const socket = await RawSocket.open(caller ?? tess);
      const listener = ({ payload }: Frame<{ runMetrics: unknown }>) =>
        (items[id] ??= []).push(payload.data?.runMetrics ?? payload.errors);
      socket.subscribe(query, { runId, ...variables }, listener, id);
      return socket;
    }),
  );
  await expect.poll(() => Object.keys(items).length).toBe(asked.length);
  await tess.ok(LogMetricsDocument, { input: { runId, metrics: metrics(4) } });
  await expect.poll(() => Object.values(items).reduce((sum, list) => sum + list.length, 0)).toBe(6 * asked.length - 2);
  const seqs = (from: number) => [1, 2, 3, 4, 5, 6].filter((seq) => seq > from);
  expect(items).toEqual({
    '1': seqs(0).map((seq) => ({ seq, value: 0.5 })),
    'a"quoted\\ and ünusual id': seqs(2).map((seq) => ({ seq, value: 0.5 })),
    viewer: seqs(0).map((seq) => ({ seq, value: 0.5 })),
    'with key': seqs(0).map((seq) => ({ seq, key: 'loss' })),
    without: seqs(0).map((seq) => ({ seq })),
    alias: seqs(0).map((s) => ({ s })),
  });
  for (const socket of sockets) socket.cut();
});

it('another tenant gets NOT_FOUND for the same document and variables', async () => {
  const runId = await newRun(tess);
  await tess.ok(LogMetricsDocument, { input: { runId, metrics: [{ key: 'loss', value: 1 }] } });
  await tess.collect(FollowRunMetricsDocument, { runId, after: 0 }, (items) => items.length === 1);
  const other = await service.as({ tenant: 'other' });
  await expect(other.collect(FollowRunMetricsDocument, { runId, after: 0 }, () => true)).rejects.toThrow(
    '"code":"NOT_FOUND"',
  );
});
