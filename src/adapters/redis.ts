import { setTimeout as sleep } from 'node:timers/promises';
import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from 'pino';
import { AppError, ErrorCode } from '../errors.js';

const MAX_RECONNECT_DELAY_MS = 1_000;

/**
 * Connects once, or throws with the reason after at most `timeoutMs`. After that, a connection that is lost, or that
 * gives no answer for `timeoutMs`, is made again, however long that takes.
 */
export async function connectRedis(
  url: string,
  logger: Logger,
  timeoutMs: number,
  options: RedisOptions = {},
): Promise<Redis> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    retryStrategy: (attempt) => Math.min(attempt * 50, MAX_RECONNECT_DELAY_MS),
    ...options,
  });
  let isConnected = false;
  let reason: string | undefined;
  redis.on('error', (error: Error) => {
    if (isConnected) logger.warn({ err: error }, 'redis');
    else reason ??= error.message;
  });
  try {
    // A refused password shows only with the first command.
    const connected = redis.connect().then(() => redis.ping());
    await within(timeoutMs, 'Redis', connected);
    isConnected = true;
  } catch (error) {
    redis.disconnect();
    const { hostname, port } = new URL(url);
    // The error of a failed connection says only that it is closed.
    const why = (reason ?? (error as Error).message).replace(/\.$/, '');
    throw new AppError(
      ErrorCode.UNAVAILABLE,
      `Cannot reach Redis at ${hostname}:${port || 6379}: ${why}. Check REDIS_URL.`,
      { field: 'REDIS_URL' },
      { cause: error },
    );
  }
  return redis;
}

/** The answer, or UNAVAILABLE when it takes too long. */
export async function within<T>(timeoutMs: number, name: string, answer: Promise<T>): Promise<T> {
  const waiting = new AbortController();
  const late = sleep(timeoutMs, undefined, { signal: waiting.signal }).then(() => {
    throw new AppError(ErrorCode.UNAVAILABLE, `${name} gave no answer within ${timeoutMs} ms.`);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    waiting.abort();
  }
}
