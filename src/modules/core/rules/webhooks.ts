import { createHmac, randomBytes } from 'node:crypto';

export const WEBHOOK_TIMEOUT_MS = 10_000;
/** The first attempt and seven more, over about 15 hours. */
export const WEBHOOK_ATTEMPTS = 8;
/** After a rotation, messages are signed with both secrets for this time. */
export const SECRET_OVERLAP_MS = 24 * 60 * 60 * 1000;
export const MAX_WEBHOOKS = 100;
/** The part of a response that is kept. */
export const KEPT_RESPONSE_BYTES = 1_024;

const BACKOFF_FACTOR = 4;
const JITTER = 0.2;
const SECRET_PREFIX = 'whsec_';
const SECRET_BYTES = 32;

/**
 * The time between a failed attempt and the next: 10 s, 40 s, 160 s … times a random factor from 0.8 to 1.2, so that
 * not all messages arrive at once when a receiver is available again.
 */
export function retryDelayMs(failedAttempts: number, backoffMs: number, random: number): number {
  return backoffMs * BACKOFF_FACTOR ** (failedAttempts - 1) * (1 - JITTER + 2 * JITTER * random);
}

export function newWebhookSecret(): string {
  return SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('base64');
}

/** The headers that identify the sender, by the Standard Webhooks specification; one signature per secret. */
export function signedHeaders(
  deliveryId: string,
  sentAt: Date,
  body: string,
  secrets: readonly string[],
): Record<string, string> {
  const timestamp = String(Math.floor(sentAt.getTime() / 1000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
    return `v1,${createHmac('sha256', key).update(`${deliveryId}.${timestamp}.${body}`).digest('base64')}`;
  });
  return { 'webhook-id': deliveryId, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}

/** The meaning of a response. `GONE`: the receiver asks not to be called again. */
export type Verdict = 'DELIVERED' | 'GONE' | 'FAILED';

export function verdictOfStatus(status: number): Verdict {
  if (status >= 200 && status < 300) return 'DELIVERED';
  return status === 410 ? 'GONE' : 'FAILED';
}

/** Why a status is not a success, as the log of deliveries shows it. */
export function describeStatus(status: number): string {
  if (status >= 300 && status < 400)
    return `The receiver answered ${status}, a redirect; redirects are not followed. Change the webhook’s url.`;
  if (status === 410) return 'The receiver answered 410 (gone); the webhook has been disabled.';
  return `The receiver answered ${status}; only 200 to 299 count as received.`;
}
