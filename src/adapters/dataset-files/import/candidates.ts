import type { ColumnReading } from '../../../modules/model-contract/index.js';

/**
 * A possible reading of a text column, with the form that the texts must have for the service to find it. A reading
 * that the user gives accepts more forms.
 */
export interface Candidate {
  reading: ColumnReading;
  /** A regular expression that must match every text completely. */
  shape?: string;
  /** A regular expression that must match no text: a number with leading zeros is a code. */
  never?: string;
  /** When none of the texts contains this sign, the candidate is not used. */
  evidence?: string;
}

const ISO_SHAPE =
  '\\d{4}-\\d{1,2}-\\d{1,2}(?:[T ]\\d{1,2}:\\d{2}(?::\\d{2}(?:\\.\\d+)?)?\\s?(?:Z|UTC|[+-]\\d{2}(?::?\\d{2})?)?)?';
const LEADING_ZERO = '[+-]?0\\d.*';

const DATES = [
  ...[
    '%Y/%m/%d',
    '%d/%m/%Y',
    '%m/%d/%Y',
    '%d.%m.%Y',
    '%d-%m-%Y',
    '%m-%d-%Y',
    '%d/%m/%y',
    '%m/%d/%y',
    '%d.%m.%y',
    '%d-%m-%y',
    '%m-%d-%y',
  ],
  ...['%b %d %Y', '%b %d, %Y', '%B %d %Y', '%B %d, %Y', '%d %b %Y', '%d %B %Y', '%d-%b-%Y', '%d-%b-%y', '%d/%b/%Y'],
];
const TIMES = ['', ' %H:%M', ' %H:%M:%S', ' %H:%M:%S.%f', ' %I:%M %p', ' %I:%M:%S %p'];
const LETTERS: Record<string, string> = {
  ...{
    Y: '\\d{4}',
    y: '\\d{2}',
    m: '\\d{1,2}',
    d: '\\d{1,2}',
    H: '\\d{1,2}',
    I: '\\d{1,2}',
    M: '\\d{2}',
    S: '\\d{2}',
    f: '\\d{1,9}',
  },
  ...{ b: '[A-Za-z]{3}', B: '[A-Za-z]{3,9}', p: '[AaPp][Mm]' },
};
const SEPARATORS: readonly (readonly [decimal: string, thousands: string | undefined])[] = [
  ['.', undefined],
  ['.', ','],
  [',', undefined],
  [',', '.'],
  ...[' ', '\u00a0', '\u202f', "'", '’'].flatMap((thousands) => [['.', thousands] as const, [',', thousands] as const]),
];
const UNITS = /^(?:[$€£¥₹%‰]|US\$|USD|EUR|GBP|JPY|CHF|CAD|AUD|CNY|INR|SEK|NOK|DKK|PLN|BRL)$/;

const formatShape = (format: string): string =>
  format.replaceAll(/%(.)|([./])/g, (_whole, letter: string | undefined, sign: string) =>
    letter === undefined ? `\\${sign}` : LETTERS[letter]!,
  );

/**
 * The candidates that the form of the sampled texts (trimmed, without missing values) allows; of each type the simplest
 * first.
 */
export function candidatesFor(name: string, texts: readonly string[], nullValues: readonly string[]): Candidate[] {
  const base = { name, nullValues: [...nullValues] };
  const found: Candidate[] = [
    { reading: { ...base, type: 'BOOLEAN' }, shape: '(?i)(?:true|false)' },
    { reading: { ...base, type: 'NUMBER' }, never: LEADING_ZERO },
    { reading: { ...base, type: 'TIMESTAMP' }, shape: ISO_SHAPE },
  ];
  const unit = unitOf(texts);
  for (const [decimal, thousands] of SEPARATORS) {
    if (decimal === '.' && thousands === undefined && unit === undefined) continue;
    const evidence = thousands ?? (decimal === ',' ? decimal : undefined);
    if (evidence !== undefined && !texts.some((text) => text.includes(evidence))) continue;
    const separators = {
      ...(decimal !== '.' && { decimalSeparator: decimal }),
      ...(thousands !== undefined && { thousandsSeparator: thousands }),
    };
    found.push({
      reading: { ...base, type: 'NUMBER', ...separators, ...(unit !== undefined && { unit }) },
      never: LEADING_ZERO,
      evidence,
    });
  }
  for (const date of DATES) {
    for (const time of TIMES) {
      const format = date + time;
      const shape = formatShape(format);
      const matches = new RegExp(`^(?:${shape})$`);
      if (texts.length > 0 && texts.every((text) => matches.test(text)))
        found.push({ reading: { ...base, type: 'TIMESTAMP', format }, shape });
    }
  }
  return found;
}

/** The only sign that every text has beside its number. */
function unitOf(texts: readonly string[]): string | undefined {
  const [first, ...others] = new Set(
    texts
      .map((text) => /^[+-]?\s*([^\d\s.,'’+-]+)?\s*[+-]?[\d.,'’\s]+([^\d\s.,'’+-]+)?$/.exec(text))
      .map((match) => (match ? (match[1] ?? match[2] ?? '') : '')),
  );
  return first !== undefined && others.length === 0 && UNITS.test(first) ? first : undefined;
}
