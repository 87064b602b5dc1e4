import type { Session } from '../../db/database.js';
import { latencyPercentileMs } from '../model-contract/index.js';
import { minuteCounters } from '../serving/index.js';
import { tokenMinutes } from './stores/token-use.js';

/** A minute of a deployment that answers texts. */
export interface LanguageMinute {
  minute: Date;
  requests: number;
  errors: number;
  firstTokenP50Ms: number | null;
  firstTokenP95Ms: number | null;
  promptTokens: number;
  completionTokens: number;
  tokensPerSecond: number | null;
}

export interface LanguagePeriod {
  deploymentId: string;
  from: Date | null;
  to: Date | null;
}

export const MAX_MINUTES = 1_440;
const MINUTE_MS = 60_000;
const DEFAULT_MINUTES = 60;

/** The minutes with traffic of each period, oldest first: at most the last MAX_MINUTES before its end. */
export async function readLanguageMinutes(
  session: Session,
  periods: readonly LanguagePeriod[],
): Promise<LanguageMinute[][]> {
  return Promise.all(periods.map((period) => minutesOf(session, period)));
}

async function minutesOf(session: Session, { deploymentId, from, to }: LanguagePeriod): Promise<LanguageMinute[]> {
  const end = (to ?? new Date()).getTime();
  const begin = Math.max(from?.getTime() ?? end - DEFAULT_MINUTES * MINUTE_MS, end - MAX_MINUTES * MINUTE_MS);
  const period = [new Date(begin), new Date(end)] as const;
  const counters = await minuteCounters(session, deploymentId, ...period);
  const tokens = await tokenMinutes(session, [deploymentId], ...period);
  const found = new Map<number, LanguageMinute>();
  const at = (minute: Date) => {
    const known = found.get(minute.getTime()) ?? { ...EMPTY, minute };
    found.set(minute.getTime(), known);
    return known;
  };
  for (const { minute, requests, errors, latencyCounts } of counters)
    Object.assign(at(minute), {
      requests,
      errors,
      // What serving counts as the latency of a text is its first token.
      firstTokenP50Ms: latencyPercentileMs(latencyCounts, 0.5),
      firstTokenP95Ms: latencyPercentileMs(latencyCounts, 0.95),
    });
  for (const { minute, promptTokens, completionTokens, laterTokens, laterMs } of tokens) {
    const tokensPerSecond = laterMs > 0 && laterTokens > 0 ? (1_000 * laterTokens) / laterMs : null;
    Object.assign(at(minute), { promptTokens, completionTokens, tokensPerSecond });
  }
  return [...found.values()].sort((a, b) => a.minute.getTime() - b.minute.getTime());
}

const EMPTY: Omit<LanguageMinute, 'minute'> = {
  requests: 0,
  errors: 0,
  firstTokenP50Ms: null,
  firstTokenP95Ms: null,
  promptTokens: 0,
  completionTokens: 0,
  tokensPerSecond: null,
};
