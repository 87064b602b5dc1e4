import { z } from 'zod';

export const DIRECTIONS = ['MINIMIZE', 'MAXIMIZE'] as const;

export const objectiveSchema = z.object({ metric: z.string(), direction: z.enum(DIRECTIONS) });
export type Objective = z.infer<typeof objectiveSchema>;

/** The order of trials without a value: after all others. JSON has no infinity, and cursors of pages are JSON. */
export const NO_SCORE = Number.MAX_VALUE;

/** A value as samplers and pruners see it: less is better. */
export const toMinimise = (value: number, { direction }: Pick<Objective, 'direction'>): number =>
  direction === 'MAXIMIZE' ? -value : value;

/** What trials are ordered by. Infeasible trials come after all feasible ones. */
export function scoreOf(
  values: readonly number[] | null,
  objectives: readonly Objective[],
  violations: readonly number[] | null,
): number {
  const [value] = values ?? [];
  const [objective] = objectives;
  if (value === undefined || objective === undefined || !isFeasible(violations)) return NO_SCORE;
  return toMinimise(value, objective);
}

export const isFeasible = (violations: readonly number[] | null | undefined): boolean =>
  (violations ?? []).every((violation) => violation <= 0);

/** The mean of repeated measurements, and its standard error; null for a single one. */
export function meanOf(values: readonly number[]): { mean: number; standardError: number | null } {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  if (count < 2) return { mean, standardError: null };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  return { mean, standardError: Math.sqrt(variance / count) };
}
