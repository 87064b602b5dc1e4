import { Cron } from 'croner';
import { badInput } from '../../../errors.js';
import { characters, checkRange, type InputRange } from '../../core/index.js';

export const CRON: InputRange = characters(1, 200);
export const TIME_ZONE: InputRange = characters(1, 64);

/** When a schedule starts jobs: a cron expression of five fields, by the clocks of a time zone. */
export interface CronTimes {
  cron: string;
  timeZone: string;
}

const NICKNAME = /^@(hourly|daily|midnight|weekly|monthly|yearly|annually)$/;
/** Without control characters, which would be in the text of an error. */
const FIVE_FIELDS = /^[!-?A-~]+( +[!-?A-~]+){4}$/;
const EXPECTED = 'a cron expression of five fields (minute, hour, day of the month, month, day of the week) or @daily';
/** Areas and places, as the IANA names them: `+02:00` would be no zone with its rules. */
const ZONE_NAME = /^[A-Za-z][A-Za-z0-9_+/-]*$/;

/** BAD_USER_INPUT names the field, and says what is wrong with it; also for an expression whose time never comes. */
export function checkCron({ cron, timeZone }: CronTimes, fields: { cron: string; timeZone: string }, now: Date): void {
  checkRange(CRON, cron, null, fields.cron);
  checkRange(TIME_ZONE, timeZone, null, fields.timeZone);
  if (!isTimeZone(timeZone))
    throw badInput(fields.timeZone, 'the name of a time zone of the IANA, e.g. Europe/Berlin or UTC', timeZone);
  if (!NICKNAME.test(cron) && !FIVE_FIELDS.test(cron)) throw badInput(fields.cron, EXPECTED, cron);
  let next: Date | null;
  try {
    next = nextStart({ cron, timeZone }, now);
  } catch (error) {
    const problem = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : '';
    throw badInput(fields.cron, `${EXPECTED}; ${problem}`, cron);
  }
  if (!next) throw badInput(fields.cron, 'an expression whose time comes', cron);
}

function isTimeZone(name: string): boolean {
  if (!ZONE_NAME.test(name)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

const parsed = ({ cron, timeZone }: CronTimes) =>
  new Cron(cron, { timezone: timeZone, mode: '5-part', paused: true, sloppyRanges: false });

/** The first start after a time; null when none comes. */
export function nextStart(times: CronTimes, after: Date): Date | null {
  return nextStarts(times, after, 1)[0] ?? null;
}

/** The next starts after a time. */
export function nextStarts(times: CronTimes, after: Date, count: number): Date[] {
  return parsed(times).nextRuns(count, after);
}

/** The last start at or before a time. */
function lastStart(times: CronTimes, at: Date): Date | null {
  // The library looks for starts before a whole second.
  const before = new Date(Math.floor(at.getTime() / 1_000) * 1_000 + 1_000);
  return parsed(times).previousRuns(1, before)[0] ?? null;
}

/** A start may be late by this: a restart of the service does not skip it. */
export const ON_TIME_MS = 5 * 60_000;
/** Of more missed starts than this, nobody wants the exact number. */
export const MAX_MISSED = 1_000;

/** What to do with starts for which no worker was there in time. */
export type MissedRule = 'SKIP' | 'START_ONCE';

export interface DueStart {
  /** The start that is due now; null when it was missed and is left out. */
  start: Date | null;
  /** Starts that are left out, at most MAX_MISSED, and the first of them. */
  missed: { count: number; first: Date } | null;
}

/**
 * What is due at `now` of a schedule whose next start was `dueAt`. Only the newest start can begin: it has all data of
 * those before it. It begins when it is on time, and a late one by the rule START_ONCE.
 */
export function dueStart(times: CronTimes, dueAt: Date, now: Date, rule: MissedRule): DueStart {
  const newest = lastStart(times, now);
  // A stored start counts although newer rules of the zone do not have it.
  const last = newest && newest > dueAt ? newest : dueAt;
  const begins = rule === 'START_ONCE' || now.getTime() - last.getTime() <= ON_TIME_MS;
  const earlier = last === dueAt ? 0 : 1 + nextStarts(times, dueAt, MAX_MISSED).filter((at) => at < last).length;
  const count = Math.min(MAX_MISSED, earlier + (begins ? 0 : 1));
  return { start: begins ? last : null, missed: count === 0 ? null : { count, first: dueAt } };
}
