export type MetricDirection = 'MINIMIZE' | 'MAXIMIZE';

/** Words in a metric's name that mean that less is better. For all other names, greater is better. */
const LESS_IS_BETTER = new Set([
  ...[
    'loss',
    'losses',
    'logloss',
    'error',
    'errors',
    'err',
    'rmse',
    'mse',
    'mae',
    'mape',
    'smape',
    'rmsle',
    'msle',
    'wape',
    'mase',
  ],
  ...[
    'deviance',
    'entropy',
    'crossentropy',
    'perplexity',
    'ppl',
    'nll',
    'brier',
    'ece',
    'mce',
    'inertia',
    'divergence',
    'kl',
    'psi',
    'drift',
  ],
  ...[
    'latency',
    'duration',
    'time',
    'runtime',
    'seconds',
    'ms',
    'memory',
    'cost',
    'regret',
    'distance',
    'residual',
    'bic',
    'aic',
  ],
  ...[
    'wer',
    'cer',
    'fid',
    'fpr',
    'fnr',
    'hinge',
    'huber',
    'pinball',
    'violations',
    'failures',
    'merror',
    'mlogloss',
    'disagreement',
  ],
]);

/** The same with two words. */
const LESS_IS_BETTER_TOGETHER = ['false_positive', 'false_negative', 'davies_bouldin'];

/** Scores whose sign scikit-learn reverses, so that greater is better. */
const NEGATED = /(^|_)neg(ative)?_/;

/**
 * Guesses from a metric's name which direction is better. The name is split into words at all characters except letters
 * and digits, and where a small letter is followed by a capital. MINIMIZE when one of the words is in the list above
 * (validation.loss, logLoss, eval-rmse, latency_p95); MAXIMIZE otherwise (accuracy, r2, roc_auc) and for scikit-learn's
 * neg_… scores.
 */
export function guessDirection(key: string): MetricDirection {
  const words = key
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/);
  const name = words.join('_');
  if (NEGATED.test(name)) return 'MAXIMIZE';
  const isLess =
    words.some((word) => LESS_IS_BETTER.has(word)) || LESS_IS_BETTER_TOGETHER.some((pair) => name.includes(pair));
  return isLess ? 'MINIMIZE' : 'MAXIMIZE';
}

export function isBetter(direction: MetricDirection, value: number, other: number): boolean {
  return direction === 'MINIMIZE' ? value < other : value > other;
}
