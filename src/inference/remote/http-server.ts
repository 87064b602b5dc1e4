import { Pool } from 'undici';
import { ServerFault } from './server-fault.js';

export interface Call {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  headers?: Record<string, string>;
  body?: Buffer | string;
  signal: AbortSignal;
}

export interface HttpAnswer {
  status: number;
  body: Buffer;
  header(name: string): string | null;
}

/** Requests at the same time to one server. */
const CONNECTIONS = 128;
const MAX_ANSWER_BYTES = 256 * 1024 ** 2;

/** Requests to the server of a runtime; `name` is what errors call it, `setting` has its address. */
export class HttpServer {
  private readonly pool: Pool;
  private readonly prefix: string;

  constructor(
    readonly name: string,
    private readonly setting: string,
    address: string,
    private readonly authorization: Record<string, string> = {},
  ) {
    const { origin, pathname } = new URL(address);
    this.prefix = pathname.replace(/\/+$/, '');
    // The signal of each request is its only limit of time.
    this.pool = new Pool(origin, { connections: CONNECTIONS, headersTimeout: 0, bodyTimeout: 0 });
  }

  /** ServerFault: AWAY when nobody answers, WRONG when the answer is cut off or too long. Rethrows an abort. */
  async call({ method, path, headers, body, signal }: Call): Promise<HttpAnswer> {
    let hasBegun = false;
    try {
      const response = await this.pool.request({
        method,
        path: `${this.prefix}${path}`,
        headers: { ...this.authorization, ...headers },
        body: body ?? null,
        signal,
      });
      hasBegun = true;
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of response.body as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > MAX_ANSWER_BYTES)
          throw new ServerFault('WRONG', `${this.name} answered more than ${MAX_ANSWER_BYTES} bytes.`);
        chunks.push(chunk);
      }
      return {
        status: response.statusCode,
        body: Buffer.concat(chunks),
        header: (wanted) => {
          const value = response.headers[wanted];
          return (Array.isArray(value) ? value[0] : value) ?? null;
        },
      };
    } catch (error) {
      if (signal.aborted || error instanceof ServerFault) throw error;
      if (hasBegun)
        throw new ServerFault('WRONG', `${this.name} broke off in the middle of its answer.`, { cause: error });
      throw new ServerFault(
        'AWAY',
        `${this.name} does not answer: ask who runs the service to look at the server of ${this.setting}.`,
        { cause: error },
      );
    }
  }

  close(): Promise<void> {
    return this.pool.destroy();
  }
}
