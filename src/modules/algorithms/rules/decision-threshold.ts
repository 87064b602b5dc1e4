import { ascendingOrder } from '../../statistics/index.js';
import type { DecisionRule } from './training-config.js';

/**
 * Counts, or weights, of rows that are predicted as the second class (correctly: hits, wrongly: false alarms), and of
 * second-class rows that are not (misses).
 */
interface Counts {
  hits: number;
  falseAlarms: number;
  misses: number;
}

/**
 * The probability from which a row is predicted as the second class: a fixed one, or the best one. The candidates are
 * the middles between neighbouring scores; of equally good ones, the nearest to one half is taken. Computed in single
 * precision, because the exported model compares in it.
 */
export function chooseThreshold(
  rule: DecisionRule,
  scores: Float32Array,
  isSecond: (row: number) => boolean,
  weights?: Float64Array,
): number {
  if (rule.by === 'FIXED') return Math.fround(rule.value);
  const worth = (counts: Counts): number => (rule.by === 'F1' ? f1Of(counts) : -costOf(rule, counts));
  const order = ascendingOrder(scores);
  const weightOf = (row: number): number => weights?.[row] ?? 1;
  // Below the lowest score, every row is predicted as the second class.
  const counts: Counts = { hits: 0, falseAlarms: 0, misses: 0 };
  for (let row = 0; row < scores.length; row++) counts[isSecond(row) ? 'hits' : 'falseAlarms'] += weightOf(row);
  let best = { threshold: Math.fround((scores[order[0]!] ?? 1) / 2), worth: worth(counts) };
  for (let at = 0; at < order.length; at++) {
    const weight = weightOf(order[at]!);
    if (isSecond(order[at]!)) {
      counts.hits -= weight;
      counts.misses += weight;
    } else counts.falseAlarms -= weight;
    const here = scores[order[at]!]!;
    const next = at + 1 < order.length ? scores[order[at + 1]!]! : 1;
    if (here === next) continue;
    const value = worth(counts);
    const threshold = between(here, next);
    const isNearer = Math.abs(threshold - 0.5) < Math.abs(best.threshold - 0.5);
    if (value > best.worth || (value === best.worth && isNearer)) best = { threshold, worth: value };
  }
  return best.threshold;
}

/** A number above `low` and not above `high`; one half when it lies between them. */
function between(low: number, high: number): number {
  if (low < 0.5 && high > 0.5) return 0.5;
  const middle = Math.fround((low + high) / 2);
  return middle > low ? middle : high;
}

function f1Of({ hits, falseAlarms, misses }: Counts): number {
  return hits === 0 ? 0 : (2 * hits) / (2 * hits + falseAlarms + misses);
}

function costOf(rule: Extract<DecisionRule, { by: 'COST' }>, { falseAlarms, misses }: Counts): number {
  return falseAlarms * rule.falsePositive + misses * rule.falseNegative;
}
