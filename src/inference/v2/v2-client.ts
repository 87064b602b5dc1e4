import { AppError, ErrorCode } from '../../errors.js';
import type { Tensor } from '../../modules/model-contract/index.js';
import type { HttpAnswer, HttpServer } from '../remote/http-server.js';
import { reasonOf, ServerFault } from '../remote/server-fault.js';
import { decodeAnswer, encodeRequest } from './wire.js';

const HEADER_LENGTH = 'inference-header-content-length';
/** Begins the errors of our own model.py that the values of a request have caused. */
const REFUSED = 'INVALID_TENSOR: ';
const RETRY_MS = 1_000;

/** How a model is addressed on the server. */
export interface V2Address {
  name: string;
  version: string;
}

/** A server of the Open Inference Protocol, by HTTP. */
export class V2Client {
  constructor(private readonly server: HttpServer) {}

  /** Errors: those of `ModelServer`; INVALID_TENSOR when the model refused the values. */
  async infer(
    { name, version }: V2Address,
    inputs: readonly Tensor[],
    { parameters = {}, signal }: { parameters?: object; signal: AbortSignal },
  ): Promise<Tensor[]> {
    const { body, jsonBytes } = encodeRequest(inputs, parameters);
    const answer = await this.server.call({
      method: 'POST',
      path: `/v2/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}/infer`,
      headers: { 'content-type': 'application/octet-stream', [HEADER_LENGTH]: String(jsonBytes) },
      body,
      signal,
    });
    if (answer.status !== 200) throw this.failure(answer);
    const length = answer.header(HEADER_LENGTH);
    try {
      return decodeAnswer(answer.body, length === null ? null : Number(length));
    } catch (error) {
      const what = error instanceof SyntaxError ? 'no JSON' : (error as Error).message;
      throw new ServerFault('WRONG', `${this.server.name} answered wrongly: ${what}.`, { cause: error });
    }
  }

  async isReady({ name, version }: V2Address, signal: AbortSignal): Promise<boolean> {
    const path = `/v2/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}/ready`;
    return (await this.server.call({ method: 'GET', path, signal })).status === 200;
  }

  /** An answer other than 200 as an error. */
  failure({ status, body }: HttpAnswer): AppError {
    const said = saidIn(body);
    const { name } = this.server;
    if (said.startsWith(REFUSED)) return new AppError(ErrorCode.INVALID_TENSOR, reasonOf(said.slice(REFUSED.length)));
    if (status === 429)
      return new AppError(ErrorCode.RESOURCE_EXHAUSTED, `${name} has no room for more requests: try again later.`, {
        retryAfterMs: RETRY_MS,
      });
    const isLost = status === 404 || (status === 503 && said.includes('not at ready state'));
    if (isLost) return new ServerFault('LOST', `${name} has not loaded the model.`);
    return new ServerFault('WRONG', `${name} failed at this model: ${reasonOf(said)}.`);
  }
}

/** The sentence of an error: `{"error": "…"}`, or plain text. */
export function saidIn(body: Buffer): string {
  const text = body.toString('utf8');
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === 'string' ? error.trim() : text;
  } catch {
    return text;
  }
}
