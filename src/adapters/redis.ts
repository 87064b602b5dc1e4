import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from 'pino';
import { AppError, ErrorCode } from '../errors.js';

const CONNECT_TIMEOUT_MS = 5_000;
const MAX_RECONNECT_DELAY_MS = 1_000;

/** Connects once, or throws with the reason. After that, a lost connection is made again, however long that takes. */
export async function connectRedis(url: string, logger: Logger, options: RedisOptions = {}): Promise<Redis> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
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
    await redis.connect();
    // A refused password shows only with the first command.
    await redis.ping();
    isConnected = true;
  } catch (error) {
    redis.disconnect();
    const { hostname, port } = new URL(url);
    // The error of a failed connection says only that it is closed.
    const why = (reason ?? String(error)).replace(/\.$/, '');
    throw new AppError(
      ErrorCode.UNAVAILABLE,
      `Cannot reach Redis at ${hostname}:${port || 6379}: ${why}. Check REDIS_URL.`,
      { field: 'REDIS_URL' },
      { cause: error },
    );
  }
  return redis;
}
