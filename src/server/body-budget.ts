import { Readable, type Duplex } from 'node:stream';
import type { FastifyReply, FastifyRequest, RequestPayload } from 'fastify';
import { CloseCode } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { TokenVerifier } from '../adapters/auth/port.js';
import { AppError, ErrorCode, unauthenticated } from '../errors.js';
import { tokenOf } from '../protocols/mlflow/credentials.js';

/** Of all bodies that are held at once; what is made of one takes several times its text. */
const BUDGET_BYTES = 96 * 1024 ** 2;
/** Of the budget, and of the places to wait: what one tenant takes leaves room for others. */
const TENANT_SHARE = 0.5;
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

type Release = () => void;
type Done = (error: Error | null, payload?: RequestPayload) => void;

interface Waiting {
  tenant: string;
  bytes: number;
  start(): void;
}

/**
 * Bytes that large bodies may hold together, those of a tenant its share of them; of those that wait, the smallest goes
 * first.
 */
export class ByteBudget {
  private used = 0;
  private readonly usedBy = new Map<string, number>();
  private readonly waiting = new Set<Waiting>();

  constructor(private readonly limits: { bytes: number; waitMs: number; waiting: number }) {}

  /**
   * Resolves to what gives the bytes back; null when there was no room in time. What is larger than a share counts as
   * one.
   */
  async take(tenant: string, bytes: number): Promise<Release | null> {
    const held = this.takeNow(tenant, bytes);
    if (held) return held;
    const own = [...this.waiting].filter((one) => one.tenant === tenant).length;
    if (this.waiting.size >= this.limits.waiting || own >= this.limits.waiting * TENANT_SHARE) return null;
    return new Promise((resolve) => {
      const start = () => end(this.hold(tenant, bytes));
      const one = { tenant, bytes, start };
      const timer = setTimeout(() => end(null), this.limits.waitMs);
      const end = (release: Release | null) => {
        clearTimeout(timer);
        this.waiting.delete(one);
        resolve(release);
      };
      this.waiting.add(one);
    });
  }

  /** Null when there is no room at this moment. */
  takeNow(tenant: string, bytes: number): Release | null {
    return this.fits(tenant, bytes) ? this.hold(tenant, bytes) : null;
  }

  private fits(tenant: string, bytes: number): boolean {
    const counted = this.counted(bytes);
    return this.used + counted <= this.limits.bytes && (this.usedBy.get(tenant) ?? 0) + counted <= this.shareBytes;
  }

  private hold(tenant: string, bytes: number): Release {
    this.count(tenant, this.counted(bytes));
    return () => {
      this.count(tenant, -this.counted(bytes));
      for (const one of [...this.waiting].sort((a, b) => a.bytes - b.bytes)) {
        if (this.fits(one.tenant, one.bytes)) one.start();
      }
    };
  }

  private count(tenant: string, bytes: number): void {
    this.used += bytes;
    const own = (this.usedBy.get(tenant) ?? 0) + bytes;
    if (own > 0) this.usedBy.set(tenant, own);
    else this.usedBy.delete(tenant);
  }

  private counted(bytes: number): number {
    return Math.min(bytes, this.shareBytes);
  }

  private get shareBytes(): number {
    return this.limits.bytes * TENANT_SHARE;
  }
}

/** Keeps the bodies that are read into memory within one budget for the process; those that are streamed pass. */
export class BodyGate {
  private readonly budget = new ByteBudget({ bytes: BUDGET_BYTES, waitMs: WAIT_MS, waiting: MAX_WAITING });
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

  /** Once there is an answer nobody reads the body any more. */
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
        // Nothing more of it is read.
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
