import { z } from 'zod';
import { ErrorCode } from '../errors.js';

/** After an awaited report, the child continues when the parent sends `received`. */
export type ToChild = { kind: 'ask'; request: unknown } | { kind: 'received' };

export const fromChildSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('beat') }),
  z.strictObject({ kind: z.literal('report'), report: z.unknown(), isAwaited: z.boolean() }),
  z.strictObject({ kind: z.literal('done'), result: z.unknown() }),
  z.strictObject({
    kind: z.literal('refused'),
    code: z.enum(ErrorCode),
    message: z.string(),
    details: z.record(z.string(), z.unknown()),
  }),
  z.strictObject({ kind: z.literal('failed'), stack: z.string() }),
]);

export type FromChild = z.infer<typeof fromChildSchema>;

/** Also NaN and the infinities, which `z.number()` refuses. */
export const anyNumber = z.custom<number>((value) => typeof value === 'number');
