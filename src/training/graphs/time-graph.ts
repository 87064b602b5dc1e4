import { MISSING_TIMESTAMP_MS } from '../../modules/model-contract/index.js';
import {
  CYCLES,
  type CyclePart,
  cycleTable,
  DAY_MS,
  EPOCH_FROM_MARCH_0,
  EPOCH_WEEKDAY,
  ERA_DAYS,
  HOUR_MS,
  JANUARY_FEBRUARY_DAYS,
  MARCH_TO_YEAR_END_DAYS,
} from '../../modules/algorithms/index.js';
import type { GraphBuilder } from '../../inference/onnx/format/graph-builder.js';
import type { TimeCycle, TimeNumber } from '../encoding.js';

const FLOAT = 1;
const DOUBLE = 11;

interface Civil {
  year: string;
  month: string;
  dayOfMonth: string;
  dayOfYear: string;
}

/**
 * The parts of timestamps, with the arithmetic of `time-parts.ts` on 64-bit integers: both give exactly the same
 * numbers.
 */
export class TimeGraph {
  private readonly made = new Map<string, string>();
  private readonly dates = new Map<string, Civil>();

  constructor(private readonly b: GraphBuilder) {}

  /** Whether a timestamp is missing. */
  absent(column: string): string {
    return this.once(`absent ${column}`, () =>
      this.b.node('LessOrEqual', [column, this.b.int64(MISSING_TIMESTAMP_MS)]),
    );
  }

  /** rows × 1, at least 0 and less than the number of steps of the part; for a missing timestamp any of these. */
  part(column: string, part: CyclePart): string {
    return this.once(`${part} ${column}`, () => {
      switch (part) {
        case 'HOUR':
          return this.divided(this.withinDay(column), HOUR_MS);
        case 'WEEKDAY':
          return this.remainder(this.sum(this.day(column), EPOCH_WEEKDAY), 7);
        case 'DAY_OF_MONTH':
          return this.civil(column).dayOfMonth;
        case 'MONTH':
          return this.civil(column).month;
        case 'DAY_OF_YEAR':
          return this.civil(column).dayOfYear;
      }
    });
  }

  /** rows × 1, double: the year, the days since 1970, or a part of a cycle; NaN for a missing timestamp. */
  number(column: string, kind: TimeNumber['kind'] | CyclePart): string {
    const { b } = this;
    const double = (value: number): string => b.constant(Float64Array.of(value), []);
    const whole = kind === 'AGE' ? column : kind === 'YEAR' ? this.civil(column).year : this.part(column, kind);
    const raw = b.node('Cast', [whole], { to: { int: DOUBLE } });
    const value = kind === 'AGE' ? b.node('Div', [raw, double(DAY_MS)]) : raw;
    return b.node('Where', [this.absent(column), double(Number.NaN), value]);
  }

  /** rows × 1, float. */
  scaled({ kind, column, mean, inverseStd }: TimeNumber): string {
    const { b } = this;
    const double = (value: number): string => b.constant(Float64Array.of(value), []);
    const raw = b.node('Cast', [kind === 'AGE' ? column : this.civil(column).year], { to: { int: DOUBLE } });
    const value = kind === 'AGE' ? b.node('Div', [raw, double(DAY_MS)]) : raw;
    const scaled = b.node('Mul', [b.node('Sub', [value, double(mean)]), double(inverseStd)]);
    return b.node('Where', [this.absent(column), b.float(0), b.node('Cast', [scaled], { to: { int: FLOAT } })]);
  }

  /** rows × 2, float: sine and cosine from a table. */
  cycle({ column, part }: TimeCycle): string {
    const { b } = this;
    const table = b.constant(cycleTable(part), [CYCLES[part], 2]);
    const pair = b.node('Reshape', [
      b.node('Gather', [table, this.part(column, part)], { axis: { int: 0 } }),
      b.ints(-1, 2),
    ]);
    return b.node('Where', [this.absent(column), b.float(0), pair]);
  }

  private withinDay(column: string): string {
    // Mod has the sign of the divisor, so that times before 1970 also fall into their day.
    return this.once(`within day ${column}`, () => this.remainder(column, DAY_MS));
  }

  private day(column: string): string {
    return this.once(`day ${column}`, () => this.divided(this.less(column, this.withinDay(column)), DAY_MS));
  }

  private civil(column: string): Civil {
    const known = this.dates.get(column);
    if (known) return known;
    const { b } = this;
    const shifted = this.sum(this.day(column), EPOCH_FROM_MARCH_0);
    const dayOfEra = this.remainder(shifted, ERA_DAYS);
    const era = this.divided(this.less(shifted, dayOfEra), ERA_DAYS);
    const leaps = this.plus(
      this.less(this.divided(dayOfEra, 1460), this.divided(dayOfEra, 36_524)),
      this.divided(dayOfEra, 146_096),
    );
    const yearOfEra = this.divided(this.less(dayOfEra, leaps), 365);
    const daysBefore = this.plus(
      this.times(yearOfEra, 365),
      this.less(this.divided(yearOfEra, 4), this.divided(yearOfEra, 100)),
    );
    const dayFromMarch = this.less(dayOfEra, daysBefore);
    const monthFromMarch = this.divided(this.sum(this.times(dayFromMarch, 5), 2), 153);
    const isEarly = b.node('GreaterOrEqual', [dayFromMarch, b.int64(BigInt(MARCH_TO_YEAR_END_DAYS))]);
    const year = this.plus(this.plus(yearOfEra, this.times(era, 400)), this.either(isEarly, b.int64(1n), b.int64(0n)));
    const isMultiple = (of: number): string => b.node('Equal', [this.remainder(year, of), b.int64(0n)]);
    const isLeap = b.node('And', [isMultiple(4), b.node('Or', [b.node('Not', [isMultiple(100)]), isMultiple(400)])]);
    const leapDay = this.either(isLeap, b.int64(1n), b.int64(0n));
    const date = {
      year,
      month: this.either(isEarly, this.sum(monthFromMarch, -10), this.sum(monthFromMarch, 2)),
      dayOfMonth: this.less(dayFromMarch, this.divided(this.sum(this.times(monthFromMarch, 153), 2), 5)),
      dayOfYear: this.either(
        isEarly,
        this.sum(dayFromMarch, -MARCH_TO_YEAR_END_DAYS),
        this.plus(this.sum(dayFromMarch, JANUARY_FEBRUARY_DAYS), leapDay),
      ),
    };
    this.dates.set(column, date);
    return date;
  }

  private once(key: string, make: () => string): string {
    const known = this.made.get(key);
    if (known !== undefined) return known;
    const value = make();
    this.made.set(key, value);
    return value;
  }

  private whole(value: number): string {
    return this.b.int64(BigInt(value));
  }

  private plus(left: string, right: string): string {
    return this.b.node('Add', [left, right]);
  }

  private less(left: string, right: string): string {
    return this.b.node('Sub', [left, right]);
  }

  private either(condition: string, yes: string, no: string): string {
    return this.b.node('Where', [condition, yes, no]);
  }

  private sum(value: string, number: number): string {
    return this.plus(value, this.whole(number));
  }

  private times(value: string, number: number): string {
    return this.b.node('Mul', [value, this.whole(number)]);
  }

  /** Rounds towards zero: only for numbers that are not negative, or that divide without a remainder. */
  private divided(value: string, number: number): string {
    return this.b.node('Div', [value, this.whole(number)]);
  }

  private remainder(value: string, number: number): string {
    return this.b.node('Mod', [value, this.whole(number)]);
  }
}
