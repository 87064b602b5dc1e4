import { z } from 'zod';

/** A number that is stored as JSON. JSON writes NaN and infinity as null; null is read as NaN. */
export const jsonNumber = z
  .custom<number>((value) => typeof value === 'number' || value === null, 'a number')
  .transform((value: number | null) => value ?? NaN);

/** A number that is stored as null when it is not finite. */
export const finiteOrNull = z
  .custom<number | null>((value) => typeof value === 'number' || value === null, 'a number or null')
  .transform((value) => (Number.isFinite(value) ? value : null));

/** A record with any keys. z.record would leave out a key named __proto__. */
export function recordOf<Value extends z.ZodType>(value: Value) {
  return z
    .custom<Record<string, z.input<Value>>>(
      (record) => typeof record === 'object' && record !== null && !Array.isArray(record),
      'an object',
    )
    .transform((record, context) =>
      Object.fromEntries(
        Object.entries(record).map(([key, one]): [string, z.output<Value>] => {
          const parsed = value.safeParse(one);
          if (parsed.success) return [key, parsed.data];
          for (const { message, path } of parsed.error.issues)
            context.issues.push({ code: 'custom', message, path: [key, ...path], input: one });
          return [key, z.NEVER];
        }),
      ),
    );
}
