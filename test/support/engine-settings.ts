import { randomBytes, randomInt } from 'node:crypto';

/**
 * Settings of a service on the engines that scripts/test-engines.mjs has started, for tests that run on them; otherwise
 * none.
 */
export function engineSettings(): Record<string, string> {
  const { MATIH_ON_ENGINES, REDIS_URL = '', S3_ENDPOINT = '', S3_ACCESS_KEY = '', S3_SECRET_KEY = '' } = process.env;
  if (!MATIH_ON_ENGINES) return {};
  // A Redis database and a bucket belong to one service.
  const redisDatabase = randomInt(1, 10_000);
  return {
    REDIS_URL: `${REDIS_URL}/${redisDatabase}`,
    S3_ENDPOINT,
    S3_ACCESS_KEY,
    S3_SECRET_KEY,
    S3_BUCKET: `test-${randomBytes(6).toString('hex')}`,
  };
}
