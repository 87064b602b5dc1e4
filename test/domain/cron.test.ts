import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkCron,
  dueStart,
  MAX_MISSED,
  nextStart,
  nextStarts,
  ON_TIME_MS,
} from '../../src/modules/schedules/rules/cron.js';

const FIELDS = { cron: 'input.cron', timeZone: 'input.timeZone' };
const DAY_MS = 24 * 3_600_000;
const NOW = new Date('2026-01-01T00:00:00.000Z');
const after = (cron: string, timeZone: string, from: string, count: number) =>
  nextStarts({ cron, timeZone }, new Date(from), count).map((at) => at.toISOString().slice(0, 16));
const problemOf = (cron: string, timeZone = 'UTC') => {
  try {
    checkCron({ cron, timeZone }, FIELDS, NOW);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

// The transitions are those of the IANA time zone database.
describe('a time that the clocks skip becomes the first moment after the gap', () => {
  it.each([
    ['30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', ['2026-03-29T01:00', '2026-03-30T00:30']],
    ['0 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', ['2026-03-29T01:00', '2026-03-30T00:00']],
    ['30 2 * * *', 'America/New_York', '2026-03-07T12:00Z', ['2026-03-08T07:00', '2026-03-09T06:30']],
    // The clocks go forward at midnight, and by half an hour.
    ['0 0 * * *', 'America/Sao_Paulo', '2018-11-03T12:00Z', ['2018-11-04T03:00', '2018-11-05T02:00']],
    ['15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T00:00Z', ['2026-10-03T15:30', '2026-10-04T15:15']],
    // Samoa left out the whole 30th of December 2011.
    ['0 12 * * *', 'Pacific/Apia', '2011-12-29T00:00Z', ['2011-12-29T22:00', '2011-12-30T22:00']],
  ])('%s in %s', (cron, zone, from, expected) => expect(after(cron, zone, from, 2)).toEqual(expected));

  it('expressions for every hour or half-hour start once in each real one', () => {
    expect(after('*/30 * * * *', 'Europe/Berlin', '2026-03-29T00:20Z', 4)).toEqual([
      ...['2026-03-29T00:30', '2026-03-29T01:00', '2026-03-29T01:30', '2026-03-29T02:00'],
    ]);
  });
});

describe('a time that the clocks show twice starts once, the first time', () => {
  it.each([
    ['30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', ['2026-10-25T00:30', '2026-10-26T01:30']],
    ['30 1 * * *', 'Europe/London', '2026-10-24T12:00Z', ['2026-10-25T00:30', '2026-10-26T01:30']],
    ['30 1 * * *', 'America/New_York', '2026-10-31T12:00Z', ['2026-11-01T05:30', '2026-11-02T06:30']],
    ['45 1 * * *', 'Australia/Lord_Howe', '2026-04-04T00:00Z', ['2026-04-04T14:45', '2026-04-05T15:15']],
  ])('%s in %s', (cron, zone, from, expected) => expect(after(cron, zone, from, 2)).toEqual(expected));

  it('also when it is asked for between the two', () => {
    expect(after('30 2 * * *', 'Europe/Berlin', '2026-10-25T00:45Z', 1)).toEqual(['2026-10-26T01:30']);
  });

  it('expressions for every hour start in both', () => {
    expect(after('15 * * * *', 'Europe/Berlin', '2026-10-24T23:50Z', 4)).toEqual([
      ...['2026-10-25T00:15', '2026-10-25T01:15', '2026-10-25T02:15', '2026-10-25T03:15'],
    ]);
  });
});

describe('calendars', () => {
  it.each([
    ['0 0 29 2 *', ['2028-02-29T00:00', '2032-02-29T00:00']],
    ['0 0 31 * *', ['2026-01-31T00:00', '2026-03-31T00:00']],
    // As in every cron, either of the two days is enough.
    ['0 0 13 * 5', ['2026-01-02T00:00', '2026-01-09T00:00']],
    ['0 0 * * 7', ['2026-01-04T00:00', '2026-01-11T00:00']],
    ['@monthly', ['2026-02-01T00:00', '2026-03-01T00:00']],
  ])('%s', (cron, expected) => expect(after(cron, 'UTC', NOW.toISOString(), 2)).toEqual(expected));

  it('agree in UTC with a search by minutes', () => {
    const part = (min: number, max: number) => fc.oneof(fc.constant('*'), fc.integer({ min, max }).map(String));
    const fields = fc.tuple(part(0, 59), part(0, 23), part(1, 28), part(1, 12), fc.constant('*'));
    fc.assert(
      fc.property(fields, fc.integer({ min: 0, max: 3 * 365 * 1440 }), (parts, minutes) => {
        const from = new Date(NOW.getTime() + minutes * 60_000 + 17_500);
        const [minute, hour, day, month] = parts.map((text) => (text === '*' ? null : Number(text)));
        const at = new Date(Math.floor(from.getTime() / 60_000) * 60_000 + 60_000);
        for (let tried = 0; tried < 366 * 24 * 60; tried++) {
          if (month != null && at.getUTCMonth() + 1 !== month)
            at.setTime(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1));
          else if (day != null && at.getUTCDate() !== day) at.setTime((Math.floor(at.getTime() / DAY_MS) + 1) * DAY_MS);
          else if (hour != null && at.getUTCHours() !== hour) at.setUTCHours(at.getUTCHours() + 1, 0);
          else if (minute != null && at.getUTCMinutes() !== minute) at.setUTCMinutes(at.getUTCMinutes() + 1);
          else break;
        }
        expect(nextStart({ cron: parts.join(' '), timeZone: 'UTC' }, from)).toEqual(at);
      }),
      { numRuns: 200 },
    );
  });
});

describe('what is due', () => {
  const daily = { cron: '0 3 * * *', timeZone: 'Europe/Berlin' };
  const dueAt = new Date('2026-01-05T02:00:00.000Z');
  const late = (ms: number) => new Date(dueAt.getTime() + ms);

  it('a start that is on time begins, by either rule', () => {
    for (const rule of ['SKIP', 'START_ONCE'] as const)
      for (const now of [dueAt, late(1), late(ON_TIME_MS)])
        expect(dueStart(daily, dueAt, now, rule)).toEqual({ start: dueAt, missed: null });
  });

  it('a late one is missed, or starts once', () => {
    const now = late(ON_TIME_MS + 1);
    expect(dueStart(daily, dueAt, now, 'SKIP')).toEqual({ start: null, missed: { count: 1, first: dueAt } });
    expect(dueStart(daily, dueAt, now, 'START_ONCE')).toEqual({ start: dueAt, missed: null });
  });

  it('of several, only the newest one can start', () => {
    const now = new Date('2026-01-08T12:00:00.000Z');
    const newest = new Date('2026-01-08T02:00:00.000Z');
    expect(dueStart(daily, dueAt, now, 'SKIP')).toEqual({ start: null, missed: { count: 4, first: dueAt } });
    expect(dueStart(daily, dueAt, now, 'START_ONCE')).toEqual({ start: newest, missed: { count: 3, first: dueAt } });
    const onTime = new Date('2026-01-08T02:00:30.000Z');
    expect(dueStart(daily, dueAt, onTime, 'SKIP')).toEqual({ start: newest, missed: { count: 3, first: dueAt } });
  });

  it('of each minute of years, in bounded time', () => {
    const from = new Date('2020-01-01T00:00:00.000Z');
    const due = dueStart(
      { cron: '* * * * *', timeZone: 'Asia/Kolkata' },
      from,
      new Date('2026-01-01T00:00:20.000Z'),
      'SKIP',
    );
    expect(due).toEqual({ start: new Date('2026-01-01T00:00:00.000Z'), missed: { count: MAX_MISSED, first: from } });
  });
});

describe('a wrong schedule', () => {
  it.each([
    ...['', 'x', '* * * *', '* * * * * *', '61 * * * *', '5-1 * * * *', '*/0 * * * *', '1,,2 * * * *', '@reboot'],
    ...[
      '2026-01-01T00:00:00',
      '0 0 * * 9',
      '-1 * * * *',
      '0 0 0 * *',
      '0 24 * * *',
      '* * * * @daily',
      '0\n0 * * *',
      '\0 * * * *',
      'a'.repeat(201),
    ],
  ])('%j is refused with the field', (cron) => expect(problemOf(cron)).toMatch(/^input\.cron: expected/));

  it('a time that never comes is refused', () => {
    for (const cron of ['0 0 30 2 *', '0 0 31 4 *']) expect(problemOf(cron)).toContain('whose time comes');
  });

  it.each(['', 'Mars/Olympus', '+02:00', 'Europe/Berlin ', 'local', 'a'.repeat(65)])(
    'the zone %j is refused with the field',
    (zone) => expect(problemOf('0 0 * * *', zone)).toMatch(/^input\.timeZone: expected/),
  );

  it('never ends in another error, whatever the text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9*,/#LWa-z?+ -]{0,30}$/)), (text) => {
        const problem = problemOf(text) ?? 'input.cron: expected';
        expect(problem).toMatch(/^input\.cron: expected/);
        expect(problem).not.toMatch(/[\0\n]/);
      }),
      { numRuns: 500 },
    );
  });
});
