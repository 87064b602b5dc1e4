import { Readable, type Duplex } from 'node:stream';
import type { FastifyReply, FastifyRequest, RequestPayload } from 'fastify';
import { CloseCode } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { TokenVerifier } from '../adapters/auth/port.js';
import { AppError, ErrorCode, unauthenticated } from '../errors.js';
import { FairBudget, type Release } from './fair-budget.js';
import { tokenOf } from '../protocols/mlflow/credentials.js';

/** Limit of all bodies in memory; the objects that are made from a body take several times its size. */
const BUDGET_BYTES = 96 * 1024 ** 2;
/** Bodies up to this size are not counted: thousands of them fit. */
const FREE_BYTES = 64 * 1024;
const WAIT_MS = 10_000;
/** Each waiting body holds a connection and its first bytes in memory. */
const MAX_WAITING = 256;
const RETRY_AFTER_SECONDS = 5;
/** After a start, a body must arrive at least this fast, so that no request waits for ever for its end. */
const SLOWEST_BYTES_PER_MS = 256;
const START_MS = 10_000;
const receiveMs = (bytes: number) => START_MS + bytes / SLOWEST_BYTES_PER_MS;
/** Many small messages may arrive in one chunk. */
const FREE_MESSAGE_BYTES = 2 * FREE_BYTES;
const MASKED_HEADER_BYTES = 6;
/** The close code of WebSocket for "try again later". */
const TRY_AGAIN_LATER = 1013;
/** Time for a client to answer the closing of its socket. */
const CLOSE_GRACE_MS = 3_000;

type Done = (error: Error | null, payload?: RequestPayload) => void;

/**
 * Keeps the bodies that are read into memory within one limit for the process. Bodies that are streamed do not count.
 */
export class BodyGate {
  private readonly budget = new FairBudget({ amount: BUDGET_BYTES, waitMs: WAIT_MS, waiting: MAX_WAITING });
  private readonly held = new Map<FastifyRequest, Release>();

  constructor(private readonly tokens: TokenVerifier) {}

  /** Fastify's `preParsing`: for a small body only its length is checked. */
  readonly preParsing = (request: FastifyRequest, reply: FastifyReply, payload: RequestPayload, done: Done): void => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
    const bytes = Number(length ?? 0);
    if (encoding === undefined && bytes <= FREE_BYTES) return done(null, payload);
    const { bodyLimit = Infinity } = request.routeOptions;
    if (bodyLimit === Number.MAX_SAFE_INTEGER) return done(null, payload);
    if (encoding !== undefined)
      return done(null, Readable.from(this.counted(request, reply, payload, bodyLimit), { objectMode: false }));
    // A body that is larger than its limit is refused without reading it.
    if (bytes > bodyLimit) return done(null, payload);
    void this.gated(request, reply, payload, bytes, done);
  };

  /** After the answer, nobody reads the body any more. */
  release(request: FastifyRequest): void {
    if (this.held.size === 0) return;
    this.held.get(request)?.();
    this.held.delete(request);
  }

  /**
   * A WebSocket message that is more than small counts with the largest size while it arrives. If there is no room for
   * it, its socket is closed.
   */
  watch(socket: WebSocket, stream: Duplex, maxBytes: number, tenantOf: () => string | undefined): void {
    let receivedBytes = 0;
    let release: Release | null = null;
    let slow: NodeJS.Timeout | undefined;
    const ended = () => {
      clearTimeout(slow);
      release?.();
      release = null;
      receivedBytes = 0;
    };
    stream.on('data', (chunk: Buffer) => {
      receivedBytes += chunk.length;
      if (receivedBytes <= FREE_MESSAGE_BYTES || release || socket.readyState !== socket.OPEN) return;
      const tenant = tenantOf();
      release = tenant === undefined ? null : this.budget.takeNow(tenant, maxBytes);
      if (release) slow = setTimeout(() => socket.terminate(), receiveMs(maxBytes));
      else {
        if (tenant === undefined) socket.close(CloseCode.BadRequest, 'Too long before the connection is acknowledged');
        else
          socket.close(
            TRY_AGAIN_LATER,
            `Other large messages are being read: try again in ${RETRY_AFTER_SECONDS} seconds.`,
          );
        // Stops reading from the socket.
        socket.pause();
        setTimeout(() => socket.terminate(), CLOSE_GRACE_MS).unref();
      }
    });
    // Frames that are not messages and may arrive within one.
    const without = (data: Buffer) =>
      void (receivedBytes -= Math.min(receivedBytes, data.length + MASKED_HEADER_BYTES));
    socket.on('ping', without).on('pong', without).on('message', ended).once('close', ended);
  }

  private async gated(
    request: FastifyRequest,
    reply: FastifyReply,
    payload: RequestPayload,
    bytes: number,
    done: Done,
  ): Promise<void> {
    try {
      await this.admit(request, reply, bytes);
    } catch (error) {
      return done(error as Error);
    }
    done(null, payload);
  }

  /**
   * A body of unknown length: if it is more than small, it counts with the largest size. A refused body is read to its
   * end, because otherwise the client would not see why.
   */
  private async *counted(
    request: FastifyRequest,
    reply: FastifyReply,
    payload: RequestPayload,
    limit: number,
  ): AsyncGenerator<Buffer> {
    let receivedBytes = 0;
    let refused: unknown = null;
    for await (const chunk of payload as AsyncIterable<Buffer>) {
      const wasSmall = receivedBytes <= FREE_BYTES;
      receivedBytes += chunk.length;
      if (wasSmall && receivedBytes > FREE_BYTES)
        refused = await this.admit(request, reply, limit).catch((error: unknown) => error);
      if (refused && receivedBytes > limit) break;
      if (!refused) yield chunk;
    }
    if (refused) throw refused;
  }

  private async admit(request: FastifyRequest, reply: FastifyReply, bytes: number): Promise<void> {
    // Only an authenticated caller gets room.
    const token = tokenOf(request.headers.authorization);
    if (!token) throw unauthenticated();
    const { tenant } = await this.tokens.verify(token);
    const release = await this.budget.take(tenant, bytes);
    if (!release) {
      reply.header('retry-after', RETRY_AFTER_SECONDS);
      throw new AppError(
        ErrorCode.UNAVAILABLE,
        `Other large requests are being read: try again in ${RETRY_AFTER_SECONDS} seconds, or send less than ` +
          `${FREE_BYTES} bytes at once.`,
      );
    }
    this.held.set(request, release);
    const slow = setTimeout(() => request.raw.destroy(), receiveMs(bytes));
    const closed = () => {
      clearTimeout(slow);
      // The body may have arrived completely without being read: its client has left while it waited, and there will be
      // no answer.
      if (!request.raw.readableEnded) this.release(request);
    };
    if (request.raw.destroyed) closed();
    else request.raw.once('close', closed);
  }
}
