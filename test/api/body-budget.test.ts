import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import Fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { SecretTokenVerifier } from '../../src/adapters/auth/token-verifier.js';
import { BodyGate, ByteBudget } from '../../src/server/body-budget.js';
import { SECRET, tokenFor } from '../support/service.js';

/** All that is held at once. */
const WHOLE_BYTES = 96 * 1024 ** 2;

describe('a budget of bytes', () => {
  const budget = (waitMs = 60_000) => new ByteBudget({ bytes: 100, waitMs, waiting: 3 });

  it('is shared, and who waits goes on by size when there is room', async () => {
    const shared = budget();
    const first = await shared.take(60);
    const second = await shared.take(40);
    const order: string[] = [];
    const wait = async (name: string, bytes: number) => {
      const release = await shared.take(bytes);
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

  it('refuses who has waited too long, and who comes when too many wait', async () => {
    const brief = budget(30);
    const release = await brief.take(100);
    const waiting = [1, 2, 3].map(() => brief.take(10));
    expect(await brief.take(10)).toBeNull();
    expect(await Promise.all(waiting)).toEqual([null, null, null]);
    release?.();
    expect(await brief.take(100)).not.toBeNull();
  });

  it('lets alone what is larger than all of it', async () => {
    const shared = budget(30);
    const release = await shared.take(500);
    expect(await shared.take(1)).toBeNull();
    release?.();
    expect(await shared.take(1)).not.toBeNull();
    expect(await shared.take(500)).toBeNull();
  });
});

describe('a gate for bodies', () => {
  it('gets back what was meant for a client that left while its whole body waited', async () => {
    const gate = new BodyGate(new SecretTokenVerifier(SECRET, { issuer: 'matih', audience: 'matih-ml' }));
    const app = Fastify({ bodyLimit: WHOLE_BYTES });
    app.addHook('preParsing', gate.preParsing);
    app.addHook('onSend', (request, _reply, payload, done) => {
      gate.release(request);
      done(null, payload);
    });
    app.addContentTypeParser('text/plain', (_request, body, done) => void body.resume().once('end', () => done(null)));
    app.post('/', async () => 'read');
    await app.listen({ port: 0, host: '127.0.0.1' });
    const head = `POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${await tokenFor()}\r\ncontent-type: text/plain\r\n`;
    const send = async (bytes: number, body: Buffer) => {
      const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
      await once(socket, 'connect');
      socket.write(`${head}content-length: ${bytes}\r\n\r\n`);
      socket.write(body);
      return socket;
    };
    try {
      const first = await send(WHOLE_BYTES, Buffer.alloc(1));
      const leaving = await Promise.all(Array.from({ length: 5 }, () => send(70_000, Buffer.alloc(70_000))));
      await pause(200);
      for (const socket of leaving) socket.destroy();
      await pause(200);
      first.destroy();
      const last = await send(WHOLE_BYTES, Buffer.alloc(WHOLE_BYTES));
      const [answer] = (await once(last, 'data')) as [Buffer];
      last.destroy();
      expect(String(answer)).toMatch(/^HTTP\/1\.1 200 /);
    } finally {
      await app.close();
    }
  });
});
