import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

export interface Exchange {
  method: 'GET' | 'PUT' | 'POST';
  path: string;
  body?: Uint8Array | string;
  /** Maximum time for the whole exchange. */
  timeoutMs: number;
  /** Longer answers are cut here. */
  maxBytes?: number;
}

export interface Answer {
  status: number;
  text: string;
  isCut: boolean;
}

const MAX_BYTES = 16 * 1024 ** 2;

/**
 * Requests to one server over HTTP(S). Ray refuses what a browser might send, and Node's `fetch` sends such headers:
 * so these are plain requests.
 */
export class HttpExchanger {
  private readonly agent: HttpAgent | HttpsAgent;
  private readonly send: typeof httpRequest;

  constructor(
    private readonly base: string,
    private readonly headers: Record<string, string>,
  ) {
    const isTls = new URL(base).protocol === 'https:';
    this.agent = isTls ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
    this.send = isTls ? httpsRequest : httpRequest;
  }

  /** Rejects when there is no answer in time. */
  ask({ method, path, body, timeoutMs, maxBytes = MAX_BYTES }: Exchange): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const isJson = typeof body === 'string';
      const headers = {
        ...this.headers,
        ...(body !== undefined && {
          'content-type': isJson ? 'application/json' : 'application/octet-stream',
          'content-length': Buffer.byteLength(body),
        }),
      };
      const signal = AbortSignal.timeout(timeoutMs);
      const request = this.send(`${this.base}${path}`, { method, headers, agent: this.agent, signal });
      request.on('error', (error) =>
        reject(signal.aborted ? new Error(`no answer within ${timeoutMs / 1000} s`, { cause: error }) : error),
      );
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        const finish = (isCut: boolean) =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString(), isCut });
        response.on('data', (chunk: Buffer) => {
          const left = maxBytes - size;
          chunks.push(chunk.subarray(0, left));
          size += chunk.length;
          if (size <= maxBytes) return;
          finish(true);
          response.destroy();
        });
        response.on('end', () => finish(false));
        response.on('error', reject);
      });
      request.end(body);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}
