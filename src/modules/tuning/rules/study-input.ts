import { z } from 'zod';
import { parseInput } from '../../core/index.js';
import type { ParameterValue, Params, SearchSpace } from './space.js';
import type { StopRule } from './stop-rule.js';

const value = z.union([z.number(), z.string(), z.boolean()], { error: 'a number, a text, true or false' });
const when = z.strictObject({ parameter: z.string(), oneOf: z.array(value) }).optional();
const name = z.string();
const range = {
  name,
  when,
  low: z.number(),
  high: z.number(),
  log: z.boolean().optional(),
  step: z.number().optional(),
};

const spaceSchema = z.strictObject({
  parameters: z.array(
    z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('FLOAT'), ...range }),
      z.strictObject({ kind: z.literal('INTEGER'), ...range }),
      z.strictObject({
        ...{ kind: z.literal('CATEGORICAL'), name, when },
        choices: z.array(value),
      }),
    ]),
  ),
  constraints: z.array(z.string()).default([]),
});

/** A space as a client wrote it, absent fields left out; `checkSpace` checks its meaning. */
export function parseSpace(field: string, input: unknown): SearchSpace {
  return parseInput(spaceSchema, field, input) as SearchSpace;
}

const paramsSchema = z.record(z.string(), value);

export function parseParams(field: string, input: unknown): Params {
  return parseInput(paramsSchema, field, input) as Record<string, ParameterValue>;
}

/** A stop rule as a client wrote it. */
export interface StopRuleInput {
  maxTrials?: number | null;
  maxDurationMs?: number | null;
  noExpectedGain?: { window: number; minGain: number } | null;
}

export function stopRuleOf({ maxTrials, maxDurationMs, noExpectedGain }: StopRuleInput): StopRule {
  return {
    maxTrials: maxTrials ?? null,
    maxDurationMs: maxDurationMs ?? null,
    noExpectedGain: noExpectedGain ? { window: noExpectedGain.window, minGain: noExpectedGain.minGain } : null,
  };
}
