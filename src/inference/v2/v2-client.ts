import { AppError, ErrorCode } from '../../errors.js';
import type { Tensor } from '../../modules/model-contract/index.js';
import type { ModelAddress } from '../port.js';
import type { HttpAnswer, HttpServer } from '../remote/http-server.js';
import { reasonOf, ServerFault } from '../remote/server-fault.js';
import { decodeAnswer, encodeJsonRequest, encodeRequest } from './wire.js';

const HEADER_LENGTH = 'inference-header-content-length';
/** Begins the errors of our own model.py that the values of a request have caused. */
const REFUSED = 'INVALID_TENSOR: ';
const RETRY_MS = 1_000;

/** A server of the Open Inference Protocol, by HTTP. */
export class V2Client {
  constructor(private readonly server: HttpServer) {}

  /** Errors: those of `ModelServer`; INVALID_TENSOR when the model refused the values. */
  async infer(
    { name, version }: ModelAddress,
    inputs: readonly Tensor[],
    { parameters = {}, isBinary = true, signal }: { parameters?: object; isBinary?: boolean; signal: AbortSignal },
  ): Promise<Tensor[]> {
    const { body, jsonBytes } = isBinary ? encodeRequest(inputs, parameters) : encodeJsonRequest(inputs);
    const answer = await this.server.call({
      method: 'POST',
      path: `/v2/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}/infer`,
      headers:
        jsonBytes === null
          ? { 'content-type': 'application/json' }
          : { 'content-type': 'application/octet-stream', [HEADER_LENGTH]: String(jsonBytes) },
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

  /** Whether the server says that it knows tensors as bytes. */
  async takesBytes(signal: AbortSignal): Promise<boolean> {
    const answer = await this.server.call({ method: 'GET', path: '/v2', signal });
    return answer.status === 200 && answer.body.includes('binary_tensor_data');
  }

  async isReady({ name, version }: ModelAddress, signal: AbortSignal): Promise<boolean> {
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
