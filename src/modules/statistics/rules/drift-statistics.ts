import { chiSquareTail, kolmogorovTail } from './special-functions.js';

export interface TestResult {
  statistic: number;
  pValue: number;
}

/** The fraction that is used for an empty bin, so that it cannot make the index infinite. */
const SHARE_FLOOR = 1e-4;

/**
 * Population stability index Σ (actual − expected) · ln(actual / expected), the symmetric Kullback–Leibler divergence;
 * Siddiqi, Credit Risk Scorecards (2006): below 0.1 stable, above 0.25 shifted. Both lists are fractions in the same
 * bins.
 */
export function psi(expectedShares: readonly number[], actualShares: readonly number[]): number {
  let index = 0;
  for (let bin = 0; bin < expectedShares.length; bin++) {
    const expected = Math.max(SHARE_FLOOR, expectedShares[bin]!);
    const actual = Math.max(SHARE_FLOOR, actualShares[bin]!);
    index += (actual - expected) * Math.log(actual / expected);
  }
  return index;
}

/**
 * Two-sample Kolmogorov–Smirnov distance of two lists in ascending order, and its two-sided asymptotic p-value: the
 * one-sample distribution at the effective size n·m / (n + m), as scipy's ks_2samp(method="asymp"). Ties make it
 * conservative.
 */
export function kolmogorovSmirnov(a: ArrayLike<number>, b: ArrayLike<number>): TestResult {
  const n = a.length;
  const m = b.length;
  if (n === 0 || m === 0) return { statistic: 0, pValue: 1 };
  let i = 0;
  let j = 0;
  let distance = 0;
  while (i < n && j < m) {
    const value = Math.min(a[i]!, b[j]!);
    while (i < n && a[i]! <= value) i++;
    while (j < m && b[j]! <= value) j++;
    distance = Math.max(distance, Math.abs(i / n - j / m));
  }
  return { statistic: distance, pValue: kolmogorovTail(Math.max(1, Math.round((n * m) / (n + m))), distance) };
}

/**
 * Pearson's chi-square test that two lists of counts come from the same distribution over the same cells, without
 * continuity correction: scipy's chi2_contingency(correction=False). Cells empty in both are left out.
 */
export function chiSquareTwoSample(a: readonly number[], b: readonly number[]): TestResult & { dof: number } {
  const totalA = sum(a);
  const totalB = sum(b);
  const total = totalA + totalB;
  let statistic = 0;
  let cells = 0;
  if (totalA > 0 && totalB > 0) {
    for (let cell = 0; cell < a.length; cell++) {
      const both = a[cell]! + b[cell]!;
      if (both === 0) continue;
      cells++;
      const expectedA = (both * totalA) / total;
      const expectedB = (both * totalB) / total;
      statistic += (a[cell]! - expectedA) ** 2 / expectedA + (b[cell]! - expectedB) ** 2 / expectedB;
    }
  }
  const dof = Math.max(0, cells - 1);
  return { statistic, dof, pValue: dof === 0 ? 1 : chiSquareTail(statistic, dof) };
}

/**
 * Pearson's chi-square test that a table of counts, one list for each group, has the same distribution in each group:
 * scipy's chi2_contingency(correction=False). Cells and groups that are empty are left out.
 */
export function chiSquareTable(groups: readonly (readonly number[])[]): TestResult & { dof: number } {
  const filled = groups.filter((group) => sum(group) > 0);
  const total = sum(filled.map(sum));
  let statistic = 0;
  let cells = 0;
  for (let cell = 0; cell < (filled[0]?.length ?? 0); cell++) {
    const share = sum(filled.map((group) => group[cell]!)) / total;
    if (share === 0) continue;
    cells++;
    for (const group of filled) {
      const expected = share * sum(group);
      statistic += (group[cell]! - expected) ** 2 / expected;
    }
  }
  const dof = Math.max(0, (cells - 1) * (filled.length - 1));
  return { statistic, dof, pValue: dof === 0 ? 1 : chiSquareTail(statistic, dof) };
}

/**
 * The same with Yates' correction for continuity of a table of two by two: scipy's chi2_contingency by default.
 */
export function chiSquareContingency(groups: readonly (readonly number[])[]): TestResult & { dof: number } {
  const plain = chiSquareTable(groups);
  const [a, b] = groups;
  if (plain.dof !== 1 || groups.length !== 2 || a!.length !== 2) return plain;
  const total = sum(a!) + sum(b!);
  const expected = (sum(a!) * (a![0]! + b![0]!)) / total;
  // In a table of two by two, every count is as far from what is expected.
  const off = Math.abs(a![0]! - expected);
  const statistic = off > 0 ? plain.statistic * (Math.max(0, off - 0.5) / off) ** 2 : 0;
  return { statistic, dof: 1, pValue: chiSquareTail(statistic, 1) };
}

/** Cochran's rule for the chi-square approximation. */
const MIN_EXPECTED_COUNT = 5;

/** Cells in which either list expects fewer than five rows under equal distributions are pooled into one. */
export function poolSparseCells(a: readonly number[], b: readonly number[]): { a: number[]; b: number[] } {
  const totalA = sum(a);
  const totalB = sum(b);
  const smallerShare = Math.min(totalA, totalB) / Math.max(1, totalA + totalB);
  const pooled = { a: [] as number[], b: [] as number[] };
  let restA = 0;
  let restB = 0;
  for (let cell = 0; cell < a.length; cell++) {
    if ((a[cell]! + b[cell]!) * smallerShare >= MIN_EXPECTED_COUNT) {
      pooled.a.push(a[cell]!);
      pooled.b.push(b[cell]!);
    } else {
      restA += a[cell]!;
      restB += b[cell]!;
    }
  }
  if (restA + restB > 0) {
    pooled.a.push(restA);
    pooled.b.push(restB);
  }
  return pooled;
}

/** Holm's (1979) adjusted p-values: comparing each with α keeps the chance of any false alarm among them at most α. */
export function holmAdjusted(pValues: readonly number[]): number[] {
  const order = pValues.map((_, index) => index).sort((x, y) => pValues[x]! - pValues[y]!);
  const adjusted = new Array<number>(pValues.length);
  let highest = 0;
  for (const [rank, index] of order.entries()) {
    highest = Math.max(highest, Math.min(1, pValues[index]! * (pValues.length - rank)));
    adjusted[index] = highest;
  }
  return adjusted;
}

/**
 * Benjamini and Hochberg's (1995) adjusted p-values: those at most α have an expected share of false alarms of at most
 * α.
 */
export function benjaminiHochbergAdjusted(pValues: readonly number[]): number[] {
  const order = pValues.map((_, index) => index).sort((x, y) => pValues[y]! - pValues[x]!);
  const adjusted = new Array<number>(pValues.length);
  let lowest = 1;
  for (const [rank, index] of order.entries()) {
    lowest = Math.min(lowest, (pValues[index]! * pValues.length) / (pValues.length - rank));
    adjusted[index] = lowest;
  }
  return adjusted;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
