import { p } from '@mikro-orm/core';

/** A number of 8 bytes, as JavaScript has them. */
export const double = () => p.float().columnType('double precision');

/** A text column that the database computes from others of its row: read, never written. */
export const computedText = (expression: string) => p.text().generated(expression).defaultRaw(expression);

/** The same for a bigint. */
export const computedBigint = (expression: string) => p.bigint('string').generated(expression).defaultRaw(expression);
