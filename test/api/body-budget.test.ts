import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SecretTokenVerifier } from '../../src/adapters/auth/token-verifier.js';
import { BodyGate } from '../../src/server/body-budget.js';
import { FairBudget } from '../../src/server/fair-budget.js';
import { SECRET, tokenFor } from '../support/service.js';

/** The limit of all bodies that are held at the same time. */
const WHOLE_BYTES = 96 * 1024 ** 2;

describe('a budget of bytes', () => {
  // One tenant may hold 100 of it.
  const budget = (waitMs = 60_000) => new FairBudget({ amount: 200, waitMs, waiting: 6 });

  it('is shared, and waiting requests continue by size when there is room', async () => {
    const shared = budget();
    const first = await shared.take('a', 60);
    const second = await shared.take('a', 40);
    const order: string[] = [];
    const wait = async (name: string, bytes: number) => {
      const release = await shared.take('a', bytes);
      order.push(name);
      return release;
    };
    const waiting = [wait('large', 90), wait('small', 20), wait('middle', 50)];
    second?.();
    await expect.poll(() => order).toEqual(['small']);
    first?.();
    await expect.poll(() => order).toEqual(['small', 'middle']);
    (await waiting[1])?.();
    (await waiting[2])?.();
    await expect.poll(() => order).toEqual(['small', 'middle', 'large']);
  });

  it('refuses a request that has waited too long, and one that comes when too many wait', async () => {
    const brief = budget(30);
    const release = await brief.take('a', 100);
    const waiting = [1, 2, 3].map(() => brief.take('a', 10));
    expect(await brief.take('a', 10)).toBeNull();
    expect(await Promise.all(waiting)).toEqual([null, null, null]);
    release?.();
    expect(await brief.take('a', 100)).not.toBeNull();
  });

  it('counts an amount that is larger than a tenant’s part as that part', async () => {
    const shared = budget(30);
    const release = await shared.take('a', 500);
    expect(await shared.take('a', 1)).toBeNull();
    release?.();
    expect(await shared.take('a', 1)).not.toBeNull();
    expect(await shared.take('a', 500)).toBeNull();
  });

  it('keeps room for other tenants, to hold and to wait, however much one takes', async () => {
    const shared = budget();
    const held = await shared.take('a', 500);
    const order: string[] = [];
    const wait = async (tenant: string, bytes: number) => {
      const release = await shared.take(tenant, bytes);
      order.push(tenant);
      return release;
    };
    const waiting = [1, 2, 3].map(() => wait('a', 10));
    expect(await shared.take('a', 10)).toBeNull();
    const other = await shared.take('b', 80);
    expect(other).not.toBeNull();
    const third = wait('c', 40);
    // A smaller body waits for its tenant's own limit, so it delays no other tenant.
    other?.();
    await expect.poll(() => order).toEqual(['c']);
    held?.();
    (await third)?.();
    await Promise.all(waiting);
    expect(order).toEqual(['c', 'a', 'a', 'a']);
  });
});

describe('a gate for bodies', () => {
  let app: FastifyInstance;

  beforeEach(async () => {
    const gate = new BodyGate(new SecretTokenVerifier(SECRET, { issuer: 'matih', audience: 'matih-ml' }));
    app = Fastify({ bodyLimit: WHOLE_BYTES, forceCloseConnections: true });
    app.addHook('preParsing', gate.preParsing);
    app.addHook('onSend', (request, _reply, payload, done) => {
      gate.release(request);
      done(null, payload);
    });
    app.addContentTypeParser('text/plain', (_request, body, done) => void body.resume().once('end', () => done(null)));
    app.post('/', async () => 'read');
    await app.listen({ port: 0, host: '127.0.0.1' });
  });
  afterEach(() => app.close());

  async function send(token: string, bytes: number, body: Buffer): Promise<Socket> {
    const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(
      `POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: ` +
        `text/plain\r\ncontent-length: ${bytes}\r\n\r\n`,
    );
    socket.write(body);
    return socket;
  }

  async function answerOf(socket: Socket): Promise<string> {
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    return String(answer);
  }

  it('gets back the room of a client that disconnected while its whole body waited', async () => {
    const token = await tokenFor();
    const first = await send(token, WHOLE_BYTES, Buffer.alloc(1));
    const leaving = await Promise.all(Array.from({ length: 5 }, () => send(token, 70_000, Buffer.alloc(70_000))));
    await pause(200);
    for (const socket of leaving) socket.destroy();
    await pause(200);
    first.destroy();
    expect(await answerOf(await send(token, WHOLE_BYTES, Buffer.alloc(WHOLE_BYTES)))).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('reads the bodies of one tenant while those of another do not move', async () => {
    const token = await tokenFor();
    const still = await Promise.all(Array.from({ length: 3 }, () => send(token, WHOLE_BYTES / 3, Buffer.alloc(1))));
    const largest = await send(token, WHOLE_BYTES, Buffer.alloc(1));
    await pause(200);
    const other = await tokenFor({ tenant: 'globex' });
    expect(await answerOf(await send(other, 1_000_000, Buffer.alloc(1_000_000)))).toMatch(/^HTTP\/1\.1 200 /);
    for (const socket of [...still, largest]) socket.destroy();
  });
});
