import { expect, it } from 'vitest';
import { AppError, ErrorCode } from '../../src/errors.js';
import { toHttpError } from '../../src/server/http-error.js';

it('says 429 to who sends too much, 503 for what is away, and when to try again in both', () => {
  const shown = (code: ErrorCode, retryAfterMs?: number) => {
    const { status, retryAfterSeconds } = toHttpError(new AppError(code, 'Later.', { retryAfterMs }), 'r');
    return [status, retryAfterSeconds];
  };
  expect(shown(ErrorCode.RESOURCE_EXHAUSTED, 2_500)).toEqual([429, 3]);
  expect(shown(ErrorCode.UNAVAILABLE, 2_500)).toEqual([503, 3]);
  expect(shown(ErrorCode.RESOURCE_EXHAUSTED)).toEqual([413, null]);
  expect(shown(ErrorCode.UNAVAILABLE)).toEqual([503, 1]);
});
