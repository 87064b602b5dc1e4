import { createHmac, timingSafeEqual } from 'node:crypto';
import { AppError, ErrorCode } from '../../errors.js';
import type { SignedRequest } from './port.js';

/** The path at which this service answers signed URLs. */
export const SIGNED_PREFIX = '/objects/';

const PARAMETERS = ['expires', 'partNumber', 'uploadId'] as const;

/** A path of this service for one request. The signature covers the method, the key, the part and the expiry. */
export function signUrl(secret: Buffer, method: string, request: SignedRequest, expiresAtSeconds: number): string {
  const query = new URLSearchParams({
    expires: String(expiresAtSeconds),
    partNumber: String(request.partNumber),
    uploadId: request.uploadId,
  });
  query.set('signature', signature(secret, method, request.key, query));
  return `${SIGNED_PREFIX}${request.key.split('/').map(encodeURIComponent).join('/')}?${query}`;
}

/** The same FORBIDDEN for every URL that was not signed with `secret` for this method, or that has expired. */
export function verifyUrl(secret: Buffer, method: string, url: URL): SignedRequest {
  const key = decoded(url.pathname.slice(SIGNED_PREFIX.length));
  const query = new URLSearchParams(
    PARAMETERS.map((name): [string, string] => [name, url.searchParams.get(name) ?? '']),
  );
  const expected = Buffer.from(signature(secret, method, key, query), 'hex');
  const got = Buffer.from(url.searchParams.get('signature') ?? '', 'hex');
  const isOurs = got.length === expected.length && timingSafeEqual(got, expected);
  if (!isOurs || Number(query.get('expires')) * 1000 < Date.now())
    throw new AppError(ErrorCode.FORBIDDEN, 'This signed address is not valid or has expired. Ask for a new one.');
  return { key, uploadId: query.get('uploadId') ?? '', partNumber: Number(query.get('partNumber')) };
}

function signature(secret: Buffer, method: string, key: string, query: URLSearchParams): string {
  const signed = [method, key, ...PARAMETERS.map((name) => query.get(name) ?? '')];
  // JSON separates the values, whatever they contain.
  return createHmac('sha256', secret).update(JSON.stringify(signed)).digest('hex');
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return '';
  }
}
