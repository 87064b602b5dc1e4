import type { IncomingHttpHeaders } from 'node:http';
import type { TokenVerifier } from '../../adapters/auth/port.js';
import type { Database } from '../../db/database.js';
import { AppError, badInput, ErrorCode, unauthenticated } from '../../errors.js';
import { bearerOf, type Principal, requireScope } from '../../modules/core/index.js';
import type { Services } from '../../services.js';
import type { ErrorParts } from '../errors.js';
import { answerCoding, codingOf, mostBytes, packed, unpacked } from './compression.js';
import { fromBody } from './elements.js';
import { toHttpAnswer } from './http-answer.js';
import { JSON_LENGTH_HEADER, jsonLength, readInferBody, type InferBody } from './http-request.js';
import { infer } from './infer-call.js';
import { describedTarget, versionNumber } from './metadata.js';
import { INFER } from './needs.js';
import { readParameters } from './parameters.js';

export interface OpenInferenceParts extends ErrorParts {
  tokens: TokenVerifier;
  db: Database;
  services: Services;
  config: { MAX_INFERENCE_BYTES: number };
  /** Gives room for bodies while they are unpacked. */
  unpacking: { take(tenant: string, bytes: number): Promise<(() => void) | null> };
  /** The names of the parts of this process that are not ready. */
  notReady(): Promise<string[]>;
}

/** The type of every answer that is JSON alone. */
export const JSON_TYPE = 'application/json; charset=utf-8';

/** A request for a prediction, as either way of HTTP received it. */
export interface InferHttpRequest {
  endpointName: string;
  versionText: string | undefined;
  headers: IncomingHttpHeaders;
  body: Buffer;
  id: string;
}

export interface InferHttpAnswer {
  body: Buffer | string;
  headers: Record<string, string>;
}

/** Answers a request, whichever way it came. Errors: those of `PredictService.predict`, and of a wrong body. */
export async function answerInfer(
  parts: OpenInferenceParts,
  { endpointName, versionText, headers, body: sent, id }: InferHttpRequest,
): Promise<InferHttpAnswer> {
  const token = bearerOf(headers.authorization);
  if (!token) throw unauthenticated();
  const verified = parts.tokens.verify(token);
  const principal = verified instanceof Promise ? await verified : verified;
  requireScope(principal.scope, INFER.what, INFER.scopes);
  const version = versionNumber(versionText);
  const coding = codingOf(headers['content-encoding']);
  let release: (() => void) | null = null;
  let read: InferBody;
  try {
    let body = sent;
    if (coding) {
      const maxBytes = parts.config.MAX_INFERENCE_BYTES;
      release = await parts.unpacking.take(principal.tenant, mostBytes(sent.length, maxBytes));
      if (!release) throw crowded();
      body = await unpacked(sent, coding, maxBytes);
    }
    const jsonBytes = jsonLength(headers[JSON_LENGTH_HEADER], body.length);
    read =
      jsonBytes === 0 ? await rawBody(parts, principal, endpointName, version, body) : readInferBody(body, jsonBytes);
  } finally {
    release?.();
  }
  const call = { ...read, endpointName, version };
  const { body, jsonBytes } = toHttpAnswer(call, await infer(parts.services.predictions, principal, call, id, headers));
  const own: InferHttpAnswer['headers'] =
    jsonBytes === null
      ? { 'content-type': JSON_TYPE }
      : { 'content-type': 'application/octet-stream', [JSON_LENGTH_HEADER]: String(jsonBytes) };
  const packing = answerCoding(headers['accept-encoding'], body.length);
  if (!packing) return { body, headers: own };
  return {
    body: await packed(body, packing),
    headers: { ...own, 'content-encoding': packing, vary: 'accept-encoding' },
  };
}

/** A body that is the one input of the model and nothing else. */
async function rawBody(
  { services }: OpenInferenceParts,
  principal: Principal,
  endpointName: string,
  version: number | null,
  body: Buffer,
): Promise<InferBody> {
  const route = await services.predictions.describe(principal, endpointName);
  const { inputs } = describedTarget(route, version).version.signature;
  const [input] = inputs;
  if (!input || inputs.length > 1)
    throw badInput(JSON_LENGTH_HEADER, `JSON that names the ${inputs.length} inputs of the model`, 'raw bytes alone');
  return { ...readParameters({}), id: null, inputs: [fromBody(input, body)], outputs: null, allBinary: true };
}

const RETRY_AFTER_MS = 5_000;

function crowded(): AppError {
  return new AppError(
    ErrorCode.RESOURCE_EXHAUSTED,
    'Other large bodies are being unpacked: try again later, or send the request without compression.',
    { retryAfterMs: RETRY_AFTER_MS },
  );
}
