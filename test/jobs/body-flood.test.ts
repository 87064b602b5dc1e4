import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { json } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { ServiceGroup, type ServiceProcess } from '../support/processes.js';
import { newRun } from '../support/runs.js';
import type { Caller } from '../support/service.js';
import { FollowEventsDocument } from '../../schema/generated/operations.js';
import { ExperimentsIdDocument } from '../generated/operations.js';

const CLIENTS = 64;
const MAX_RESIDENT_BYTES = 1.25 * 1024 ** 3;
const MAX_SMALL_MS = 10_000;
const METRIC = '{"key":"loss","value":0.123456,"timestamp":1700000000000,"step":12}';
/** A tenant may hold one of these at a time, and two more wait. */
const LARGE_BYTES = 30 * 1024 ** 2;

let group: ServiceGroup;
let api: ServiceProcess;
let tess: Caller;
let runId: string;

beforeAll(async () => {
  group = await ServiceGroup.create();
  api = await group.start('api');
  tess = await group.as(api);
  runId = (await newRun(tess)).replaceAll('-', '');
});
afterAll(() => group?.close());

/** A log of one metric of any requested length: unknown fields are ignored. */
function logBatch(bytes: number): Buffer {
  const head = `{"run_id":"${runId}","metrics":[${METRIC}],"ignored":[`;
  return Buffer.from(`${head}${`${METRIC},`.repeat(Math.floor((bytes - head.length) / METRIC.length))}{}]}`);
}

async function send(body: Buffer, headers: Record<string, string | number>) {
  const call = request(`${api.url}/api/2.0/mlflow/runs/log-batch`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tess.token}`, 'content-type': 'application/json', ...headers },
  });
  const closed = once(call, 'close');
  call.end(body);
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  const answer = (await json(response)) as { error_code?: string };
  // A refused body is still sent to its end.
  await closed;
  return { status: response.statusCode, code: answer.error_code, retryAfter: response.headers['retry-after'] };
}

async function open(): Promise<WebSocket> {
  const socket = new WebSocket(`${api.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  socket.on('error', () => undefined);
  await once(socket, 'open');
  return socket;
}

const closeCode = async (socket: WebSocket) => ((await once(socket, 'close')) as [number])[0];

describe('large bodies', () => {
  it(
    `are read or refused within bounded memory, ${CLIENTS} of 30 MiB at once, and small requests go through ` +
      'meanwhile',
    async () => {
      const body = logBatch(LARGE_BYTES);
      let isOver = false;
      const flood = Promise.all(
        Array.from({ length: CLIENTS }, (_, i) =>
          send(body, i % 8 === 0 ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length }),
        ),
      ).finally(() => (isOver = true));
      let mostBytes = 0;
      const smallMs: number[] = [];
      while (!isOver) {
        const startedAt = performance.now();
        await tess.ok(ExperimentsIdDocument, { first: 1 });
        smallMs.push(performance.now() - startedAt);
        const text = await (await fetch(`${api.url}/metrics`)).text();
        mostBytes = Math.max(mostBytes, Number(/^process_resident_memory_bytes (\S+)/m.exec(text)?.[1]));
        await pause(50);
      }
      const answers = await flood;
      const read = answers.filter(({ status }) => status === 200).length;
      console.log(
        `${CLIENTS} bodies of 30 MiB: ${read} read, ${CLIENTS - read} refused; at most ` +
          `${(mostBytes / 1024 ** 2).toFixed(0)} MiB resident; ` +
          `${smallMs.length} small requests meanwhile, slowest ${Math.max(...smallMs).toFixed(0)} ms`,
      );
      expect(read).toBeGreaterThan(0);
      for (const answer of answers) {
        if (answer.status !== 200)
          expect(answer).toEqual({ status: 503, code: 'TEMPORARILY_UNAVAILABLE', retryAfter: '5' });
      }
      expect(smallMs.length).toBeGreaterThan(1);
      expect(Math.max(...smallMs)).toBeLessThan(MAX_SMALL_MS);
      expect(mostBytes).toBeLessThan(MAX_RESIDENT_BYTES);
      // Everything that was held is returned.
      expect(await Promise.all([1, 2, 3].map(() => send(body, { 'content-length': body.length })))).toMatchObject(
        [1, 2, 3].map(() => ({ status: 200 })),
      );
    },
  );

  it('are not read for clients without a valid token', async () => {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    socket.write(
      'POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n',
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    expect(String(answer)).toMatch(/^HTTP\/1\.1 401 [^]*"code":"UNAUTHENTICATED"/);
  });

  it('that arrive too slowly are given up', async () => {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    socket.write(
      `POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${tess.token}\r\ncontent-type: ` +
        `application/json\r\ncontent-length: 100000\r\n\r\n{`,
    );
    const startedAt = performance.now();
    await once(socket, 'close');
    const endedMs = performance.now() - startedAt;
    expect(endedMs).toBeGreaterThan(5_000);
    expect(endedMs).toBeLessThan(30_000);
  });

  it('as unfinished messages over WebSockets end their sockets when there is no more room', async () => {
    const anonymous = await open();
    anonymous.send(Buffer.alloc(200_000), { fin: false });
    expect(await closeCode(anonymous)).toBe(4400);
    const sockets = await Promise.all(Array.from({ length: 24 }, open));
    const codes = sockets.map((socket) => closeCode(socket));
    for (const socket of sockets) {
      socket.send(JSON.stringify({ type: 'connection_init', payload: { token: tess.token } }));
      await once(socket, 'message');
    }
    for (const socket of sockets) socket.send(Buffer.alloc(7 * 1024 ** 2), { fin: false });
    const refused: number[] = [];
    for (const code of codes) void code.then((one) => refused.push(one));
    await expect.poll(() => refused.length, { timeout: 30_000 }).toBeGreaterThanOrEqual(12);
    // A small body still passes.
    const small = sockets.find((socket) => socket.readyState === WebSocket.OPEN);
    expect(small).toBeDefined();
    await tess.ok(ExperimentsIdDocument, { first: 1 });
    const events = await tess.collect(FollowEventsDocument, {}, () => true, 500);
    expect(events).toEqual([]);
    for (const socket of sockets) socket.terminate();
    expect(new Set(refused)).toEqual(new Set([1013]));
    // What they held is returned.
    const body = logBatch(LARGE_BYTES);
    expect(await Promise.all([1, 2, 3].map(() => send(body, { 'content-length': body.length })))).toMatchObject([
      { status: 200 },
      { status: 200 },
      { status: 200 },
    ]);
  });
});
