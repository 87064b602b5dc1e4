import type { IncomingMessage } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import { badInput } from '../errors.js';

/** A client that is refused in mid-upload may still send for so long. */
const LINGER_MS = 5_000;

/** The body apart from its connection, over which the answer goes when the content is refused. */
export function detachedBody(request: IncomingMessage): Readable {
  const body = new PassThrough();
  // Nobody reads it when the request is refused before.
  body.on('error', () => undefined);
  const cut = () => {
    if (!request.readableEnded) body.destroy(badInput('body', 'the whole file', 'a connection that ended before it'));
  };
  // Its end may have come while the caller was still asking the database.
  if (request.destroyed) cut();
  else request.once('close', cut);
  return request.pipe(body);
}

/**
 * What a refused client still sends is read and thrown away, so that it sees its answer and the connection comes to an
 * end.
 */
export function discardRest(request: IncomingMessage): void {
  if (request.complete) return;
  const timer = setTimeout(() => request.socket.destroy(), LINGER_MS);
  request.once('close', () => clearTimeout(timer));
  request.unpipe().resume();
}
