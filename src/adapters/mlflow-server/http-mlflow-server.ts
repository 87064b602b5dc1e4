import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { checkOutboundUrl, type OutboundPolicy } from '../../modules/core/index.js';
import { AppError, ErrorCode, quote } from '../../errors.js';
import { checkedLookup, type Resolve } from '../checked-lookup.js';
import { type MlflowCredentials, type MlflowMethod, MlflowRefusal, type MlflowServer } from './port.js';

export interface MlflowServerOptions {
  trackingUri: string;
  credentials: MlflowCredentials;
  /** Aborts all open requests, like `close`. */
  signal?: AbortSignal;
  /** Which addresses may be called; absent for an address from the service's own settings. */
  policy?: OutboundPolicy;
  resolve?: Resolve;
  /** Maximum attempts per request; each wait is twice as long. */
  tries?: number;
}

const TIMEOUT_MS = 60_000;
const FIRST_WAIT_MS = 300;
const MAX_JSON_BYTES = 64 * 1024 ** 2;

/**
 * MLflow's REST protocol over HTTP(S). Redirects are not followed, because they could lead to an address that was not
 * checked.
 */
export class HttpMlflowServer implements MlflowServer {
  private readonly base: string;
  private readonly headers: Record<string, string>;
  private readonly agent: HttpAgent | HttpsAgent;
  private readonly send: typeof httpRequest;
  private readonly closing = new AbortController();
  private readonly signal: AbortSignal;
  private readonly tries: number;

  constructor({ trackingUri, credentials, signal, policy, resolve, tries = 6 }: MlflowServerOptions) {
    const url = policy ? checkOutboundUrl('trackingUri', trackingUri, policy) : new URL(trackingUri);
    this.base = `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
    this.headers = { accept: 'application/json', ...authorization(credentials) };
    const options = { keepAlive: true, maxSockets: 8, ...(policy && { lookup: checkedLookup(policy, resolve) }) };
    this.agent = url.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options);
    this.send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    this.signal = signal ? AbortSignal.any([signal, this.closing.signal]) : this.closing.signal;
    this.tries = tries;
  }

  async ask(method: MlflowMethod, path: string, given: Record<string, unknown>): Promise<unknown> {
    const query = method === 'GET' ? toQuery(given) : '';
    const body = method === 'GET' ? null : JSON.stringify(given);
    const text = await this.withRetries(`${method} ${path}`, async () => {
      const response = await this.open(method, `/api/2.0/${path}${query}`, body);
      return readText(response);
    });
    try {
      return JSON.parse(text) as unknown;
    } catch {
      throw unavailable(`${method} ${path}: the answer is no JSON: ${quote(text.slice(0, 80))}.`);
    }
  }

  download(path: string, query: Record<string, string> = {}): Promise<Readable> {
    return this.withRetries(`GET ${path}`, () => this.open('GET', `${path}${toQuery(query)}`, null));
  }

  close(): void {
    this.closing.abort();
    this.agent.destroy();
  }

  private async withRetries<T>(what: string, work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      this.signal.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        if (error instanceof AppError && !isPassing(error)) throw error;
        this.signal.throwIfAborted();
        if (tries >= this.tries) {
          if (error instanceof AppError) throw error;
          throw unavailable(
            `${what}: ${error instanceof Error && error.message ? error.message : 'no answer'}.`,
            error,
          );
        }
        await wait(FIRST_WAIT_MS * 2 ** (tries - 1), undefined, { signal: this.signal });
      }
    }
  }

  /** Returns a successful response; throws for a refusal. */
  private async open(method: string, path: string, body: string | null): Promise<IncomingMessage> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = {
        ...this.headers,
        ...(body !== null && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      };
      const request = this.send(`${this.base}${path}`, { method, headers, agent: this.agent, signal: this.signal });
      request.setTimeout(TIMEOUT_MS, () => request.destroy(new Error(`nothing came for ${TIMEOUT_MS / 1000} s`)));
      request.on('error', reject);
      request.on('response', resolve);
      request.end(body ?? undefined);
    });
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    throw refusal(status, `${method} ${path.split('?')[0]}`, await readText(response).catch(() => ''));
  }
}

const isPassing = (error: AppError) => error instanceof MlflowRefusal && error.code === ErrorCode.UNAVAILABLE;

function authorization({ token, username, password }: MlflowCredentials): Record<string, string> {
  if (token) return { authorization: `Bearer ${token}` };
  if (!username) return {};
  return { authorization: `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}` };
}

function toQuery(given: Record<string, unknown>): string {
  const entries = Object.entries(given).filter(([, value]) => value != null && value !== '');
  return entries.length > 0
    ? `?${new URLSearchParams(entries.map(([key, value]): [string, string] => [key, String(value)]))}`
    : '';
}

async function readText(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MAX_JSON_BYTES) {
      response.destroy();
      throw unavailable(`The answer is longer than ${MAX_JSON_BYTES} bytes.`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function refusal(status: number, what: string, text: string): MlflowRefusal {
  const told = tell(text);
  const code = told?.error_code ?? '';
  const message = `The MLflow server refused ${what} (${status}${code && ` ${code}`}): ${(told?.message ?? text).slice(0, 300) || 'without a reason'}`;
  return new MlflowRefusal(status, code, message);
}

function tell(text: string): { error_code?: string; message?: string } | null {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null) return null;
    const [code, message] = [Reflect.get(parsed, 'error_code') as unknown, Reflect.get(parsed, 'message') as unknown];
    return { ...(typeof code === 'string' && { error_code: code }), ...(typeof message === 'string' && { message }) };
  } catch {
    return null;
  }
}

function unavailable(message: string, cause?: unknown): AppError {
  return new AppError(ErrorCode.UNAVAILABLE, `The MLflow server gave no usable answer to ${message}`, {}, { cause });
}
