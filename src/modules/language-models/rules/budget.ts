import { AppError, ErrorCode } from '../../../errors.js';
import type { InputRange } from '../../core/index.js';

export const TOKENS_PER_DAY = { min: 0, unit: 'tokens' } satisfies InputRange;

const DAY_MS = 24 * 60 * 60 * 1_000;
/** What an answer without a limit of its own is counted as while it runs. */
const USUAL_ANSWER_TOKENS = 500;

/** The begin of the day in UTC. */
export const dayOf = (now: number): Date => new Date(Math.floor(now / DAY_MS) * DAY_MS);
export const renewalAfter = (now: number): Date => new Date(dayOf(now).getTime() + DAY_MS);

/** What a request may use at most, as far as one can tell before. */
export const reservationOf = (maxTokens: number | undefined): number => maxTokens ?? USUAL_ANSWER_TOKENS;

/** The smaller of the tenant's own limit and that of the service; null without either. */
export function limitOf(own: number | null, ofService: number | null): number | null {
  return own === null || ofService === null ? (own ?? ofService) : Math.min(own, ofService);
}

/** RESOURCE_EXHAUSTED, which says when the budget renews. */
export function usedUp(limit: number, now: number): AppError {
  const renewsAt = renewalAfter(now);
  const message =
    `The tenant’s ${limit} tokens of today are used up, or answers that run may use the rest. The budget renews at ` +
    `${renewsAt.toISOString()}; an ADMIN can change it (setTokenBudget).`;
  return new AppError(ErrorCode.RESOURCE_EXHAUSTED, message, {
    expected: `at most ${limit} tokens per day`,
    renewsAt: renewsAt.toISOString(),
    retryAfterMs: renewsAt.getTime() - now,
  });
}
