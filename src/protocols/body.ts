import type { IncomingMessage } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import { badInput } from '../errors.js';

/** A client that is refused during its upload may continue to send for this time. */
const LINGER_MS = 5_000;

/** The body as a stream apart from its connection, which still carries the answer when the content is refused. */
export function detachedBody(request: IncomingMessage): Readable {
  const body = new PassThrough();
  // Nobody reads the body when the request is refused before.
  body.on('error', () => undefined);
  const cut = () => {
    if (!request.readableEnded) body.destroy(badInput('body', 'the whole file', 'a connection that ended before it'));
  };
  // The body may have ended while the caller was still waiting for the database.
  if (request.destroyed) cut();
  else request.once('close', cut);
  return request.pipe(body);
}

/** Reads and discards what a refused client still sends, so that it can read its answer and the connection ends. */
export function discardRest(request: IncomingMessage): void {
  if (request.complete) return;
  const timer = setTimeout(() => request.socket.destroy(), LINGER_MS);
  request.once('close', () => clearTimeout(timer));
  request.unpipe().resume();
}
