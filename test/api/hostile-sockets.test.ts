import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { startTestService, type Caller, type TestService } from '../support/service.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

const EVENTS = 'subscription { lifecycleEvents { id } }';
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

interface Message {
  id?: string;
  type: string;
  payload?: unknown;
}

/** A WebSocket that sends any text. */
class Hostile {
  readonly got: Message[] = [];
  readonly closed: Promise<number>;

  constructor(readonly socket: WebSocket) {
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => void this.got.push(JSON.parse(data.toString()) as Message));
    this.closed = once(socket, 'close').then(([code]) => code as number);
  }

  static async open(payload: unknown = { token: tess.token }): Promise<Hostile> {
    const socket = new WebSocket(`${service.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const hostile = new Hostile(socket);
    await once(socket, 'open');
    if (payload === null) return hostile;
    hostile.send({ type: 'connection_init', payload });
    await Promise.race([once(socket, 'message'), hostile.closed]);
    return hostile;
  }

  send(message: Message | string): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** The answer to an operation. */
  async answer(id: string): Promise<unknown> {
    await expect.poll(() => this.got.find((message) => message.id === id), { timeout: 5_000 }).toBeDefined();
    return this.got.find((message) => message.id === id);
  }

  end(): void {
    this.socket.terminate();
  }
}

/** Milliseconds that another client waits for an answer. */
async function waitOfOthers(): Promise<number> {
  const startedAt = performance.now();
  expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
  return performance.now() - startedAt;
}

/** The answer to bytes that were sent by hand. */
function raw(text: string, { thenReset = false } = {}): Promise<string> {
  const { port } = new URL(service.url);
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(Number(port), '127.0.0.1', () => {
      socket.write(text, () => {
        if (thenReset) setTimeout(() => socket.resetAndDestroy(), 1);
      });
    });
    socket.on('data', (data) => (answer += data.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
    setTimeout(() => socket.destroy(), 500);
  });
}

const upgrade = (path: string) =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ` +
  `dGhlIHNhbXBsZSBub25jZQ==\r\n` +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n';

describe('an upgrade', () => {
  it('to a wrong path is refused, and the service continues', async () => {
    for (const path of ['//', '//:99999999', 'http://', '*', '/nope', '/%00'])
      expect(await raw(upgrade(path)), path).toContain('404 Not Found');
    await waitOfOthers();
  });

  it('whose client disconnects harms nobody', async () => {
    const text = 'x'.repeat(100_000);
    await Promise.all(
      ['/nope', '/graphql'].flatMap((path) =>
        Array.from({ length: 20 }, () => raw(upgrade(path) + text, { thenReset: true })),
      ),
    );
    await waitOfOthers();
  });
});

describe('a socket is closed for', () => {
  const cases: Record<string, [code: number, act: (hostile: Hostile) => void, payload?: unknown]> = {
    garbage: [4400, (hostile) => hostile.send('garbage')],
    'an operation without a document': [4400, (hostile) => hostile.send({ id: '1', type: 'subscribe', payload: {} })],
    'variables that are a list': [
      4400,
      (hostile) => hostile.send({ id: '1', type: 'subscribe', payload: { query: EVENTS, variables: [1] } }),
    ],
    'a second connection_init': [
      4429,
      (hostile) => hostile.send({ type: 'connection_init', payload: { token: tess.token } }),
    ],
    'an operation before the token': [
      4401,
      (hostile) => hostile.send({ id: '1', type: 'subscribe', payload: { query: EVENTS } }),
      null,
    ],
    'a long message before the token': [
      4400,
      (hostile) => hostile.send({ type: 'connection_init', payload: { x: 'x'.repeat(100_000) } }),
      null,
    ],
    'a token that is an object': [4403, () => undefined, { token: { toString: 1 } }],
    'the same operation id twice': [
      4409,
      (hostile) => {
        for (let i = 0; i < 2; i++) hostile.send({ id: '1', type: 'subscribe', payload: { query: EVENTS } });
      },
    ],
  };
  for (const [what, [code, act, payload]] of Object.entries(cases)) {
    it(what, async () => {
      const hostile = await Hostile.open(payload);
      act(hostile);
      expect(await hostile.closed).toBe(code);
    });
  }
});

describe('an operation', () => {
  it('with variables that it does not declare runs without them, however deep they are', async () => {
    const hostile = await Hostile.open();
    hostile.send(
      '{"id":"deep","type":"subscribe","payload":{"query":"{ experiments { totalCount } ' +
        `}","variables":{"x":${nested(100_000)}},"extensions":{"x":${nested(100_000)}}}}`,
    );
    hostile.send(
      '{"id":"live","type":"subscribe","payload":{"query":"subscription { lifecycleEvents(after: 0) { id } ' +
        `}","variables":{"x":${nested(100_000)}}}}`,
    );
    hostile.send({ id: 'after', type: 'subscribe', payload: { query: '{ experiments { totalCount } }' } });
    expect(await hostile.answer('deep')).toMatchObject({
      type: 'next',
      payload: { data: { experiments: { totalCount: 0 } } },
    });
    await hostile.answer('after');
    expect(hostile.got.filter(({ id }) => id === 'live')).toEqual([]);
    hostile.end();
  });

  it('with a long id, a long document or a negative `after` is refused with the field', async () => {
    const hostile = await Hostile.open();
    const id = 'x'.repeat(300);
    hostile.send({ id, type: 'subscribe', payload: { query: EVENTS } });
    expect(await hostile.answer(id)).toMatchObject({
      type: 'error',
      payload: [{ extensions: { code: 'BAD_USER_INPUT', field: 'id' } }],
    });
    hostile.send({ id: 'long', type: 'subscribe', payload: { query: `${EVENTS} #${'x'.repeat(300_000)}` } });
    expect(await hostile.answer('long')).toMatchObject({
      type: 'error',
      payload: [{ extensions: { code: 'QUERY_TOO_COMPLEX' } }],
    });
    hostile.send({
      id: 'past',
      type: 'subscribe',
      payload: { query: 'subscription { lifecycleEvents(after: -1) { id } }' },
    });
    expect(await hostile.answer('past')).toMatchObject({
      payload: { errors: [{ extensions: { code: 'BAD_USER_INPUT', field: 'after' } }] },
    });
    hostile.end();
  });
});

describe('very many messages', () => {
  it('with pings whose answers the client does not read: the service stops reading too', async () => {
    const hostile = await Hostile.open();
    hostile.socket.pause();
    const ping = JSON.stringify({ type: 'ping', payload: { x: 'x'.repeat(200) } });
    for (let i = 0; i < 300_000; i++) {
      hostile.send(ping);
      if (i % 5_000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    const waited = hostile.socket.bufferedAmount;
    expect(waited).toBeGreaterThan(10_000_000);
    hostile.end();
  });

  it('with wrong operations let other clients have their turn', async () => {
    const hostile = await Hostile.open();
    const count = 3_000;
    for (let i = 0; i < count; i++) hostile.send({ id: `a${i}`, type: 'subscribe', payload: { query: '{ nope }' } });
    let worstMs = 0;
    while (hostile.got.length < count) worstMs = Math.max(worstMs, await waitOfOthers());
    console.log(`wrong operations: ${count} on one socket, others waited at most ${Math.round(worstMs)} ms`);
    expect(worstMs).toBeLessThan(1_000);
    hostile.end();
  });
});

describe('a service that shuts down', () => {
  it('does not wait for a client that never answers', async () => {
    const own = await startTestService({}, service.database);
    const socket = new WebSocket(`${own.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    await once(socket, 'open');
    socket.pause();
    const startedAt = performance.now();
    await own.close();
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    socket.terminate();
  });
});
