import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { CloseCode, type Server } from 'graphql-ws';
import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import type { Principal } from '../modules/core/index.js';

/** What graphql-ws passes to its hooks. */
export interface SocketExtra {
  socket: WebSocket;
  request: IncomingMessage;
  /** Set after the client has sent its token. */
  principal?: Principal;
  isRevoked?: boolean;
}

/** A client that does not answer a ping before the next one counts as disconnected. */
const PING_INTERVAL_MS = 12_000;
/** The longest message of a client that has not sent its token yet. */
const MAX_OPENING_BYTES = 64 * 1024;
/** Bytes that a client may leave unread before its own messages wait, so that answers do not pile up. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/**
 * Carries graphql-transport-ws over one socket. The carrier of graphql-ws would keep reading when the client leaves
 * data unread, send a ping's payload back, and write errors to the console.
 */
export function carryProtocol(server: Server<SocketExtra>, extra: SocketExtra, stream: Duplex, logger: Logger): void {
  const { socket } = extra;
  const send = (text: string) =>
    new Promise<void>((resolve) => {
      // A failed send comes together with the socket's close, which ends everything that waits.
      if (socket.readyState === socket.OPEN) socket.send(text, () => resolve());
      else resolve();
    });
  const closed = server.opened(
    {
      protocol: socket.protocol,
      send,
      close: (code, reason) => socket.close(code, reason),
      onPing: () => send('{"type":"pong"}'),
      onMessage: (handle) => {
        socket.on('message', (data: Buffer) => {
          if (!extra.principal && data.length > MAX_OPENING_BYTES)
            return socket.close(CloseCode.BadRequest, 'Too long before the connection is acknowledged');
          handle(String(data)).catch((error: unknown) => {
            logger.warn({ err: error }, 'WebSocket message failed');
            socket.close(CloseCode.InternalServerError, 'Internal server error');
          });
          if (socket.bufferedAmount > MAX_UNREAD_BYTES && !socket.isPaused) {
            socket.pause();
            stream.once('drain', () => socket.resume());
          }
        });
      },
    },
    extra,
  );
  let isAlive = true;
  const pings = setInterval(() => {
    if (!isAlive) socket.terminate();
    else {
      isAlive = false;
      socket.ping();
    }
  }, PING_INTERVAL_MS);
  socket.on('pong', () => {
    isAlive = true;
  });
  socket.on('error', (error) => logger.debug({ err: error }, 'WebSocket failed'));
  socket.once('close', (code, reason) => {
    clearInterval(pings);
    void closed(code, String(reason));
  });
}
