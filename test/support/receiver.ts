import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface Received {
  path: string;
  headers: Record<string, string>;
  body: string;
}

type Answer = number | ((request: IncomingMessage, response: ServerResponse) => void);

/** An external service that webhooks call: it stores messages, and answers as the test says. */
export class Receiver {
  readonly received: Received[] = [];
  /** A status, or what to do with the response; by path, and the first path that matches. */
  answer: (path: string, count: number) => Answer = () => 204;
  private constructor(private readonly server: ReturnType<typeof createHttpServer>) {}

  static async start(pem?: string): Promise<Receiver> {
    const server = pem ? createHttpsServer({ cert: pem, key: pem }) : createHttpServer();
    const receiver = new Receiver(server);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => void receiver.take(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return receiver;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  at(path: string): Received[] {
    return this.received.filter((request) => request.path === path);
  }

  /** Waits until this many messages have come to a path. */
  async wait(path: string, count: number, timeoutMs = 15_000): Promise<Received[]> {
    const deadline = Date.now() + timeoutMs;
    while (this.at(path).length < count) {
      if (Date.now() > deadline)
        throw new Error(`${this.at(path).length} of ${count} messages came to ${path} within ${timeoutMs} ms.`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return this.at(path);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const path = request.url ?? '';
    const body = Buffer.concat(parts).toString();
    this.received.push({ path, headers: request.headers as Record<string, string>, body });
    const answer = this.answer(path, this.at(path).length);
    if (typeof answer === 'number') response.writeHead(answer).end(`status ${answer}`);
    else answer(request, response);
  }
}

/**
 * Which of the signatures were made with this secret, checked by the Standard Webhooks specification as a receiver
 * would.
 */
export function signaturesBy(secret: string, { headers, body }: Received): boolean[] {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const expected = createHmac('sha256', key)
    .update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`)
    .digest('base64');
  return (headers['webhook-signature'] ?? '').split(' ').map((signature) => signature === `v1,${expected}`);
}
