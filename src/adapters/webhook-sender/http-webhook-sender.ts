import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import {
  checkOutboundUrl,
  type OutboundPolicy,
  KEPT_RESPONSE_BYTES,
  WEBHOOK_TIMEOUT_MS,
} from '../../modules/core/index.js';
import { AppError, ErrorCode } from '../../errors.js';
import { checkedLookup, type Resolve } from '../checked-lookup.js';
import type { WebhookAnswer, WebhookSender } from './port.js';

export interface SenderOptions {
  policy: OutboundPolicy;
  timeoutMs?: number;
  resolve?: Resolve;
}

/** Sends over HTTP(S), only to addresses that were checked after DNS: the connection uses the checked addresses. */
export class HttpWebhookSender implements WebhookSender {
  private readonly policy: OutboundPolicy;
  private readonly timeoutMs: number;
  private readonly lookup: LookupFunction;

  constructor({ policy, timeoutMs = WEBHOOK_TIMEOUT_MS, resolve }: SenderOptions) {
    this.policy = policy;
    this.timeoutMs = timeoutMs;
    this.lookup = checkedLookup(policy, resolve);
  }

  async send(address: string, headers: Record<string, string>, body: string): Promise<WebhookAnswer> {
    const url = checkOutboundUrl('url', address, this.policy);
    const signal = AbortSignal.timeout(this.timeoutMs);
    try {
      return await this.post(url, headers, body, signal);
    } catch (error) {
      if (error instanceof AppError) throw error;
      const sentence = signal.aborted
        ? `No answer within ${this.timeoutMs / 1000} s.`
        : `No answer: ${describe(error)}.`;
      throw new AppError(ErrorCode.UNAVAILABLE, sentence, {}, { cause: error });
    }
  }

  private post(url: URL, headers: Record<string, string>, body: string, signal: AbortSignal): Promise<WebhookAnswer> {
    return new Promise((resolve, reject) => {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
      // No agent: a connection that is kept was checked for another delivery.
      const request = send(url, {
        method: 'POST',
        agent: false,
        signal,
        lookup: this.lookup,
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      });
      request.on('error', reject);
      request.on('response', (response) => {
        readBeginning(response).then((text) => resolve({ status: response.statusCode ?? 0, body: text }), reject);
      });
      request.end(body);
    });
  }
}

/** The first bytes of an answer; the rest is not read. */
async function readBeginning(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      parts.push(part);
      bytes += part.length;
      if (bytes >= KEPT_RESPONSE_BYTES) break;
    }
  } finally {
    response.destroy();
  }
  return Buffer.concat(parts).subarray(0, KEPT_RESPONSE_BYTES).toString().replaceAll('\0', '\uFFFD');
}

const SENTENCES: Record<string, string> = {
  ENOTFOUND: 'the host name does not exist',
  EAI_AGAIN: 'the host name could not be resolved',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was cut',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  CERT_HAS_EXPIRED: 'the certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'the certificate’s chain ends in an unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the certificate’s authority is unknown',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another host',
};

function describe(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return SENTENCES[code] ?? (code ? `the connection failed (${code})` : 'the connection failed');
}
