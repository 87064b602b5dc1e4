import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface LoadResult {
  requestsPerSecond: number;
  latenciesMs: number[];
}

export interface LoadOptions {
  port: number;
  /** Complete requests as bytes; each connection sends them in turn. */
  requests: Buffer[];
  connections: number;
  durationMs: number;
  /** Throws when the body of an answer is wrong; it checks one in a hundred. */
  check(body: string): void;
}

/** The bytes of a POST request with JSON. */
export function postRequest(path: string, body: string, headers: Record<string, string> = {}): Buffer {
  const lines = [
    `POST ${path} HTTP/1.1`,
    'host: 127.0.0.1',
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

/**
 * Keep-alive connections with one request at a time each, on bare sockets: a complete HTTP client would use more CPU
 * than the measured server.
 */
export async function load({ port, requests, connections, durationMs, check }: LoadOptions): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  const sockets = await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      await once(socket, 'connect');
      return socket;
    }),
  );
  const started = performance.now();
  await Promise.all(sockets.map((socket, i) => drive(socket, requests, i, started + durationMs, latenciesMs, check)));
  const requestsPerSecond = latenciesMs.length / ((performance.now() - started) / 1000);
  return { requestsPerSecond, latenciesMs };
}

async function drive(
  socket: Socket,
  requests: Buffer[],
  first: number,
  until: number,
  latenciesMs: number[],
  check: (body: string) => void,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let next = first;
  let sentAt = 0;
  let received: Buffer[] = [];
  let missing: number | null = null;
  const send = () => {
    sentAt = performance.now();
    if (sentAt >= until) return resolve();
    received = [];
    missing = null;
    socket.write(requests[next++ % requests.length] as Buffer);
  };
  socket.on('error', reject);
  socket.on('close', () => reject(new Error('the server closed a connection')));
  socket.on('data', (chunk) => {
    received.push(chunk);
    if (missing === null) {
      const text = Buffer.concat(received).toString('latin1');
      const headersEnd = text.indexOf('\r\n\r\n');
      if (headersEnd < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
      if (!text.startsWith('HTTP/1.1 200') || Number.isNaN(length)) return reject(new Error(text.slice(0, 500)));
      missing = headersEnd + 4 + length - text.length;
    } else missing -= chunk.length;
    if (missing > 0) return;
    latenciesMs.push(performance.now() - sentAt);
    if (latenciesMs.length % 100 === 0) {
      try {
        check(Buffer.concat(received).toString().split('\r\n\r\n')[1] ?? '');
      } catch (error) {
        return reject(error);
      }
    }
    send();
  });
  send();
  await promise;
  socket.removeAllListeners('close').destroy();
}
