import { TypeOverrides } from 'pg';
import { parse } from 'postgres-array';

/** PostgreSQL's ids of types that the driver would leave as text. */
const BIGINT = 20;
const BIGINT_ARRAY = 1016;
const TIMESTAMPTZ = 1184;
const TIMESTAMPTZ_ARRAY = 1185;

/**
 * How columns are read in every query, as the entities say: bigint as a number, timestamptz as a Date, json as its
 * value.
 */
export function columnTypes(): TypeOverrides {
  const types = new TypeOverrides();
  types.setTypeParser(BIGINT, toSafeInteger);
  types.setTypeParser(BIGINT_ARRAY, (text) => parse(text, toSafeInteger));
  types.setTypeParser(TIMESTAMPTZ, toDate);
  types.setTypeParser(TIMESTAMPTZ_ARRAY, (text) => parse(text, toDate));
  return types;
}

/** A number that JavaScript would round is an error; no wrong value is returned. */
function toSafeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new Error(`The database holds ${text}, which is beyond a safe integer.`);
  return value;
}

const toDate = (text: string): Date => new Date(text);
