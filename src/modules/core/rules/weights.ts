/** Weights are basis points: hundredths of a percent. */
export const FULL_WEIGHT_BPS = 10_000;
