import { Readable, type Duplex } from 'node:stream';
import type { FastifyReply, FastifyRequest, RequestPayload } from 'fastify';
import { CloseCode } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { TokenVerifier } from '../adapters/auth/port.js';
import { AppError, ErrorCode, unauthenticated } from '../errors.js';
import { FairBudget, type Release } from './fair-budget.js';
import { tokenOf } from '../protocols/mlflow/credentials.js';

/** Of all bodies that are held at once; what is made of one takes several times its text. */
const BUDGET_BYTES = 96 * 1024 ** 2;
/** Bodies up to this are never counted: thousands of them fit. */
const FREE_BYTES = 64 * 1024;
const WAIT_MS = 10_000;
/** Each has a connection and its first bytes in memory. */
const MAX_WAITING = 256;
const RETRY_AFTER_SECONDS = 5;
/** A body must come at this pace, after a start: what waits for its end must not wait for ever. */
const SLOWEST_BYTES_PER_MS = 256;
const START_MS = 10_000;
const receiveMs = (bytes: number) => START_MS + bytes / SLOWEST_BYTES_PER_MS;
/** Many small messages may come in one piece. */
const FREE_MESSAGE_BYTES = 2 * FREE_BYTES;
const MASKED_HEADER_BYTES = 6;
/** WebSocket's code for it. */
const TRY_AGAIN_LATER = 1013;
/** Time for a client to answer the closing of its socket. */
const CLOSE_GRACE_MS = 3_000;

type Done = (error: Error | null, payload?: RequestPayload) => void;

/** Keeps the bodies that are read into memory within one budget for the process; those that are streamed pass. */
export class BodyGate {
  private readonly budget = new FairBudget({ amount: BUDGET_BYTES, waitMs: WAIT_MS, waiting: MAX_WAITING });
  private readonly held = new Map<FastifyRequest, Release>();

  constructor(private readonly tokens: TokenVerifier) {}

  /** Fastify's `preParsing`: a small body costs nothing but a look at its length. */
  readonly preParsing = (request: FastifyRequest, reply: FastifyReply, payload: RequestPayload, done: Done): void => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
    const bytes = Number(length ?? 0);
    if (encoding === undefined && bytes <= FREE_BYTES) return done(null, payload);
    const { bodyLimit = Infinity } = request.routeOptions;
    if (bodyLimit === Number.MAX_SAFE_INTEGER) return done(null, payload);
    if (encoding !== undefined)
      return done(null, Readable.from(this.counted(request, reply, payload, bodyLimit), { objectMode: false }));
    // One that is larger than its limit is refused unread.
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
   * A WebSocket message that turns out to be more than small counts as the largest while it comes; one that finds no
   * room ends its socket.
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
        // Stops reading it.
        socket.pause();
        setTimeout(() => socket.terminate(), CLOSE_GRACE_MS).unref();
      }
    });
    // Frames that are no message, and may come within one.
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
   * A body of unknown length: what is more than small counts as the largest. A refused one is read to its end, or
   * nobody would see why.
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
    // Room is for those who may have it.
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
      // It may have come whole and not be read: its client has left while it waited, and there will be no answer.
      if (!request.raw.readableEnded) this.release(request);
    };
    if (request.raw.destroyed) closed();
    else request.raw.once('close', closed);
  }
}
