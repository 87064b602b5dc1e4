import { p } from '@mikro-orm/core';

/** A number of 8 bytes, as in JavaScript. */
export const double = () => p.float().columnType('double precision');

/** A text column that the database computes from other columns of its row. It is never written. */
export const computedText = (expression: string) => p.text().generated(expression).defaultRaw(expression);

/** The same for a bigint. */
export const computedBigint = (expression: string) => p.bigint('string').generated(expression).defaultRaw(expression);
