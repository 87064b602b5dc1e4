import type { InputRange } from '../../core/index.js';

export const CANARY_RANGES = {
  steps: { min: 1, max: 20, unit: 'steps' },
  /** The promotion after the last step gives the rest. */
  weightBps: { min: 1, max: 9_900, unit: 'basis points' },
  bakeSeconds: { min: 1, max: 30 * 86_400, unit: 'seconds' },
  guards: { min: 1, max: 3, unit: 'guards' },
  maxIncrease: { min: 0, max: 100 },
  errorProbability: { min: 0.0001, max: 0.5 },
  minRequests: { min: 1, max: 1_000_000_000, unit: 'requests' },
  limit: { min: 1, max: 1_000, unit: 'looks' },
  rollbackWindowSeconds: { min: 0, max: 365 * 86_400, unit: 'seconds' },
} satisfies Record<string, InputRange>;
