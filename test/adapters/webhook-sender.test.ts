import type { LookupAddress } from 'node:dns';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import type { Resolve } from '../../src/adapters/checked-lookup.js';
import { HttpWebhookSender } from '../../src/adapters/webhook-sender/http-webhook-sender.js';
import { AppError } from '../../src/errors.js';
import { Receiver } from '../support/receiver.js';

const PEM = readFileSync('test/fixtures/webhooks/hooks.example.com.pem', 'utf8');
const LOCAL = { allowHttp: true, allowedHosts: ['127.0.0.1'] };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startReceiver(pem?: string): Promise<Receiver> {
  const receiver = await Receiver.start(pem);
  cleanups.push(() => receiver.close());
  return receiver;
}

/** Answers of a name server, one after the other. */
function namesOf(...answers: string[][]): Resolve & { asked: string[] } {
  const asked: string[] = [];
  const resolve = async (host: string): Promise<LookupAddress[]> => {
    const answer = answers[Math.min(asked.length, answers.length - 1)] ?? [];
    asked.push(host);
    return answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  };
  return Object.assign(resolve, { asked });
}

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof AppError)) throw new Error(`no AppError: ${String(error)}`);
  return `${error.code}: ${error.message}`;
}

describe('a sender of webhooks', () => {
  it('connects to the address that was checked, and resolves it again each time', async () => {
    const receiver = await startReceiver();
    const resolve = namesOf(['127.0.0.1']);
    const sender = new HttpWebhookSender({ policy: LOCAL, resolve });
    for (let i = 0; i < 2; i++) {
      const answer = await sender.send(
        `http://hooks.example.com:${receiver.port}/a?b=c`,
        { 'content-type': 'application/json' },
        '{"ü":1}',
      );
      expect(answer).toEqual({ status: 204, body: '' });
    }
    expect(resolve.asked).toEqual(['hooks.example.com', 'hooks.example.com']);
    expect(receiver.received[0]).toMatchObject({
      path: '/a?b=c',
      body: '{"ü":1}',
      headers: { host: `hooks.example.com:${receiver.port}`, 'content-length': '8', connection: 'close' },
    });
  });

  it('refuses a name that was changed to an internal address, and one that has both kinds', async () => {
    const receiver = await startReceiver();
    const policy = { allowHttp: true, allowedHosts: ['127.0.0.2'] };
    const url = `http://hooks.example.com:${receiver.port}/`;
    // The address was public when the webhook was saved; now the name leads to this machine.
    const rebound = namesOf(
      ['127.0.0.1'],
      ['8.8.8.8', '127.0.0.1'],
      ['::ffff:127.0.0.1'],
      ['169.254.169.254'],
      ['::1'],
      ['0.0.0.0'],
    );
    const sender = new HttpWebhookSender({ policy, resolve: rebound });
    for (let i = 0; i < 6; i++) {
      expect(await refusal(sender.send(url, {}, '{}'))).toMatch(
        /^URL_NOT_ALLOWED: hooks\.example\.com resolves to an address that is/,
      );
    }
    expect(rebound.asked).toHaveLength(6);
    expect(receiver.received).toEqual([]);
  });

  it('refuses addresses without asking a resolver', async () => {
    const receiver = await startReceiver();
    const sender = new HttpWebhookSender({ policy: { allowHttp: true, allowedHosts: [] } });
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '0x7f.1', '2130706433', '[::ffff:7f00:1]']) {
      expect(await refusal(sender.send(`http://${host}:${receiver.port}/`, {}, '{}')), host).toMatch(
        /^URL_NOT_ALLOWED/,
      );
    }
    expect(receiver.received).toEqual([]);
  });

  it('does not follow redirects', async () => {
    const receiver = await startReceiver();
    receiver.answer = (path) =>
      path === '/from' ? (_, response) => response.writeHead(307, { location: receiver.url('/to') }).end() : 204;
    const sender = new HttpWebhookSender({ policy: LOCAL });
    expect(await sender.send(receiver.url('/from'), {}, '{}')).toMatchObject({ status: 307 });
    expect(receiver.received.map(({ path }) => path)).toEqual(['/from']);
  });

  it('uses TLS with receivers whose certificate is valid, and with no others', async () => {
    const receiver = await startReceiver(PEM);
    const sender = new HttpWebhookSender({
      policy: { allowHttp: false, allowedHosts: ['127.0.0.1'] },
      resolve: namesOf(['127.0.0.1']),
    });
    const url = (host: string) => `https://${host}:${receiver.port}/`;
    expect(await refusal(sender.send(url('hooks.example.com'), {}, '{}'))).toMatch(
      /^UNAVAILABLE: No answer: the certificate/,
    );
    const before = getCACertificates();
    cleanups.push(() => setDefaultCACertificates(before));
    setDefaultCACertificates([...before, PEM]);
    expect(await sender.send(url('hooks.example.com'), {}, '{}')).toMatchObject({ status: 204 });
    expect(await refusal(sender.send(url('other.example.com'), {}, '{}'))).toBe(
      'UNAVAILABLE: No answer: the certificate is for another host.',
    );
    expect(receiver.received).toHaveLength(1);
  });

  it('gives up after its time limit, wherever a receiver hangs', async () => {
    const receiver = await startReceiver();
    const hang: Record<string, () => void> = {};
    receiver.answer = (path) => (_, response) => {
      if (path === '/silent') hang[path] = () => response.end();
      else response.writeHead(200).write('slow');
    };
    const deaf = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(deaf, 'listening');
    cleanups.push(() => deaf.close());
    const sender = new HttpWebhookSender({ policy: LOCAL, timeoutMs: 200 });
    const urls = [
      receiver.url('/silent'),
      receiver.url('/trickle'),
      `http://127.0.0.1:${(deaf.address() as AddressInfo).port}/`,
    ];
    for (const url of urls) {
      const startedMs = performance.now();
      expect(await refusal(sender.send(url, {}, '{}')), url).toBe('UNAVAILABLE: No answer within 0.2 s.');
      expect(performance.now() - startedMs).toBeLessThan(2_000);
    }
    const unresolved = new HttpWebhookSender({
      policy: LOCAL,
      timeoutMs: 200,
      resolve: () => new Promise(() => undefined),
    });
    expect(await refusal(unresolved.send('http://hooks.example.com/', {}, '{}'))).toBe(
      'UNAVAILABLE: No answer within 0.2 s.',
    );
  });

  it('keeps the beginning of an answer of any length', async () => {
    const receiver = await startReceiver();
    let written = 0;
    receiver.answer = () => (_, response) => {
      response.writeHead(500);
      const pour = () => {
        while (!response.destroyed && written < 500_000_000) {
          written += 65_536;
          if (!response.write('x'.repeat(65_535) + '\0')) return void response.once('drain', pour);
        }
      };
      pour();
    };
    const { status, body } = await new HttpWebhookSender({ policy: LOCAL }).send(receiver.url('/'), {}, '{}');
    expect([status, body]).toEqual([500, 'x'.repeat(1_024)]);
    expect(written).toBeLessThan(50_000_000);
  });

  it('explains in a sentence why no answer came', async () => {
    const closed = await Receiver.start();
    const url = closed.url('/');
    await closed.close();
    const sender = new HttpWebhookSender({ policy: LOCAL, resolve: namesOf([]) });
    expect(await refusal(sender.send(url, {}, '{}'))).toBe('UNAVAILABLE: No answer: the connection was refused.');
    expect(await refusal(sender.send('http://hooks.example.com/', {}, '{}'))).toMatch(/^UNAVAILABLE: No answer: /);
    const other = createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    cleanups.push(() => other.close());
    const address = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`;
    expect(await refusal(sender.send(address, {}, '{}'))).toMatch(
      /^UNAVAILABLE: No answer: the connection failed \(HPE_/,
    );
  });
});
