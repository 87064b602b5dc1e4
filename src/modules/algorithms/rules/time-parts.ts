/** Parts of a timestamp as whole numbers, in UTC. The exported graph does the same arithmetic on 64-bit integers. */
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
/** 1970-01-01 was a Thursday; weekdays count from Monday. */
export const EPOCH_WEEKDAY = 3;

/** Parts that repeat, and the number of steps until they repeat. The day of the year counts the days of a leap year. */
export const CYCLES = { HOUR: 24, WEEKDAY: 7, DAY_OF_MONTH: 31, MONTH: 12, DAY_OF_YEAR: 366 } as const;
export type CyclePart = keyof typeof CYCLES;

/**
 * Converts days to calendar dates by whole divisions (Hinnant, "chrono-compatible low-level date algorithms"): years
 * begin in March, so that a leap day is the last day of its year, and eras of 400 years repeat. The constants: days
 * from 0000-03-01 to 1970-01-01, and days of an era.
 */
export const EPOCH_FROM_MARCH_0 = 719_468;
export const ERA_DAYS = 146_097;
/** Days from March to the end of December, and days of January and February without a leap day. */
export const MARCH_TO_YEAR_END_DAYS = 306;
export const JANUARY_FEBRUARY_DAYS = 59;

export interface CivilDate {
  year: number;
  /** 0 is January. */
  month: number;
  /** 0 is the first of the month. */
  dayOfMonth: number;
  /** 0 is the first of January. */
  dayOfYear: number;
}

/** The date of a day that is counted from 1970-01-01. */
export function civilDate(day: number): CivilDate {
  const shifted = day + EPOCH_FROM_MARCH_0;
  const era = Math.floor(shifted / ERA_DAYS);
  const dayOfEra = shifted - era * ERA_DAYS;
  const leaps = Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leaps) / 365);
  const dayFromMarch = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayFromMarch + 2) / 153);
  const isEarly = dayFromMarch >= MARCH_TO_YEAR_END_DAYS;
  const year = yearOfEra + era * 400 + (isEarly ? 1 : 0);
  return {
    year,
    month: isEarly ? monthFromMarch - 10 : monthFromMarch + 2,
    dayOfMonth: dayFromMarch - Math.floor((153 * monthFromMarch + 2) / 5),
    dayOfYear: isEarly
      ? dayFromMarch - MARCH_TO_YEAR_END_DAYS
      : dayFromMarch + JANUARY_FEBRUARY_DAYS + (isLeapYear(year) ? 1 : 0),
  };
}

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

export function dayOf(instantMs: number): number {
  return Math.floor(instantMs / DAY_MS);
}

/** At least 0 and less than the number of steps of the part. */
export function cyclePartOf(part: CyclePart, instantMs: number): number {
  const day = dayOf(instantMs);
  switch (part) {
    case 'HOUR':
      return Math.floor((instantMs - day * DAY_MS) / HOUR_MS);
    case 'WEEKDAY':
      return (((day + EPOCH_WEEKDAY) % 7) + 7) % 7;
    case 'DAY_OF_MONTH':
      return civilDate(day).dayOfMonth;
    case 'MONTH':
      return civilDate(day).month;
    case 'DAY_OF_YEAR':
      return civilDate(day).dayOfYear;
  }
}

/** Sine and cosine of every step, in single precision, as pairs. */
export function cycleTable(part: CyclePart): Float32Array {
  const steps = CYCLES[part];
  return Float32Array.from({ length: steps * 2 }, (_, i) => {
    const angle = (2 * Math.PI * (i >> 1)) / steps;
    return i % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
}
