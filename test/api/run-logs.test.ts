import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller, TestService } from '../support/service.js';
import { startTestService } from '../support/service.js';
import { createRun, mutate, refused } from '../support/tracking.js';
import { createExperiment } from '../support/training.js';
import { AppendRunLogsDocument, FollowRunLogsDocument } from '../../schema/generated/operations.js';
import {
  RunLogsPageDocument,
  type RunLogsPageQuery,
  type RunLogsPageQueryVariables,
  RunLogsSeqLineDocument,
  RunsLastLogLineDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

const append = (runId: string, ...lines: string[]) =>
  mutate(tess, AppendRunLogsDocument, { runId, lines: lines.map((line) => ({ line })) });

type Logs = RunLogsPageQuery['run']['logs'];

async function logs(id: string, choice: Omit<RunLogsPageQueryVariables, 'id'> = {}): Promise<Logs> {
  return (await tess.ok(RunLogsPageDocument, { id, ...choice })).run.logs;
}

const linesOf = ({ nodes }: Logs): string[] => nodes.map(({ line }) => line);

describe('logs of a run', () => {
  it('are paged from both ends, and searched', async () => {
    const runId = await createRun(tess);
    const loggedAt = '2026-01-01T00:00:00.000Z';
    await mutate(tess, AppendRunLogsDocument, {
      runId,
      lines: [{ line: 'Begin 100% _x_', loggedAt, stream: 'STDERR' }],
    });
    expect(await append(runId, ...Array.from({ length: 9 }, (_, i) => `line ${i}`))).toEqual({ lastSeq: 10 });
    const first = await logs(runId, { first: 3 });
    expect(first).toMatchObject({ totalCount: 10, pageInfo: { endCursor: '3', hasNextPage: true } });
    expect(first.nodes[0]).toEqual({ seq: 1, line: 'Begin 100% _x_', stream: 'STDERR', loggedAt });
    expect(linesOf(await logs(runId, { first: 3, after: 8 }))).toEqual(['line 7', 'line 8']);
    const last = await logs(runId, { last: 2 });
    expect(linesOf(last)).toEqual(['line 7', 'line 8']);
    expect(last.pageInfo.hasNextPage).toBe(true);
    expect(linesOf(await logs(runId, { last: 5, before: 3 }))).toEqual(['Begin 100% _x_', 'line 0']);
    expect(linesOf(await logs(runId, { search: 'begin 100%' }))).toEqual(['Begin 100% _x_']);
    expect(await logs(runId, { search: '%' })).toMatchObject({ totalCount: 1 });
    expect(linesOf(await logs(runId, { search: 'LINE 4' }))).toEqual(['line 4']);
    expect(linesOf(await logs(runId, { streams: ['STDERR'] }))).toEqual(['Begin 100% _x_']);
  });

  it('stream to followers, each line once, across a reconnection', async () => {
    const runId = await createRun(tess);
    await append(runId, 'a', 'b', 'c');
    const following = tess.collect(FollowRunLogsDocument, { runId, after: 1 }, (items) => items.length === 4);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await append(runId, 'd', 'e');
    const seen = await following;
    expect(seen.map(({ line }) => line)).toEqual(['b', 'c', 'd', 'e']);
    await append(runId, 'f');
    const again = await tess.collect(
      RunLogsSeqLineDocument,
      { runId, after: seen.at(-1)!.seq },
      (items) => items.length === 1,
    );
    expect(again).toEqual([{ seq: 6, line: 'f' }]);
  });

  it('number the lines of many writers without a gap', async () => {
    const runId = await createRun(tess);
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => append(runId, ...Array.from({ length: 25 }, (__, j) => `${i} ${j}`))),
    );
    const { nodes } = await logs(runId, { first: 500 });
    expect(nodes.map(({ seq }) => seq)).toEqual(Array.from({ length: 500 }, (_, i) => i + 1));
    const ofTheFirst = nodes.filter(({ line }) => line.startsWith('0 '));
    expect(ofTheFirst.map(({ line }) => line)).toEqual(Array.from({ length: 25 }, (_, j) => `0 ${j}`));
  });

  it('need one statement for many runs', async () => {
    const experimentId = await createExperiment(tess);
    for (let i = 0; i < 5; i++) await append(await createRun(tess, { experimentId }), `of ${i}`);
    service.statements.length = 0;
    const { runs } = await tess.ok(RunsLastLogLineDocument, {
      filter: { experimentIds: [experimentId] },
      orderBy: [{ field: 'CREATED_AT', direction: 'ASC' }],
    });
    expect(runs.nodes.map((run) => run.logs.nodes[0]!.line)).toEqual(['of 0', 'of 1', 'of 2', 'of 3', 'of 4']);
    expect(service.statements.filter((text) => text.includes('from "run_log"'))).toHaveLength(1);
  });

  it('refuse invalid lines, and store nothing of that call', async () => {
    const runId = await createRun(tess);
    for (const [line, expected] of [
      ['two\nlines', 'one line, without line breaks'],
      ['progress\r', 'one line, without line breaks'],
      ['ü'.repeat(4_097), 'at most 8192 bytes'],
    ]) {
      const { extensions } = await refused(tess, AppendRunLogsDocument, { runId, lines: [{ line: 'good' }, { line }] });
      expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.lines[1].line', expected });
    }
    const many = Array.from({ length: 1_001 }, () => ({ line: '' }));
    expect((await refused(tess, AppendRunLogsDocument, { runId, lines: many })).extensions.code).toBe('BAD_USER_INPUT');
    expect((await refused(tess, AppendRunLogsDocument, { runId, lines: [] })).extensions.field).toBe('input.lines');
    expect((await refused(tess, AppendRunLogsDocument, { runId, lines: [{ line: 'a\0b' }] })).extensions.code).toBe(
      'BAD_USER_INPUT',
    );
    expect(await logs(runId)).toMatchObject({ nodes: [], totalCount: 0 });
    for (const choice of [{ first: -1 }, { last: 501 }, { first: 1, last: 1 }, { search: 'x'.repeat(201) }]) {
      const error = await tess.fails(RunLogsPageDocument, { id: runId, ...choice });
      expect(error.extensions.code, JSON.stringify(choice)).toBe('BAD_USER_INPUT');
    }
    const other = await service.as({ tenant: 'other' });
    expect((await refused(other, AppendRunLogsDocument, { runId, lines: [{ line: 'x' }] })).extensions.code).toBe(
      'NOT_FOUND',
    );
  });
});
