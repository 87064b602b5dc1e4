import {
  algorithmOf,
  type FoldResult,
  searchSpaceOf,
  summarizeFolds,
  taskOf,
  type TrainingConfigInput,
} from '../../algorithms/index.js';
import type { Objective } from './objectives.js';
import type { SearchSpace } from './space.js';

/** Where the search looks when the request names no space: the hyperparameters that the configuration does not fix. */
export function defaultSpace({ algorithm, hyperparameters }: TrainingConfigInput): SearchSpace {
  const fixed = new Set(Object.keys(hyperparameters ?? {}));
  return {
    parameters: searchSpaceOf(algorithmOf(algorithm)).filter(({ name }) => !fixed.has(name)),
    constraints: [],
  };
}

/** Measured on the validation rows, or on the folds of a cross-validation, so that the holdout stays unseen. */
export function defaultObjectives({ algorithm, hyperparameters, crossValidation }: TrainingConfigInput): Objective[] {
  const loss = (name: string) => (crossValidation ? meanOfFolds(name) : `validation.${name}`);
  switch (taskOf(algorithm)) {
    case 'CLASSIFICATION':
      return [{ metric: loss('log_loss'), direction: 'MINIMIZE' }];
    case 'REGRESSION':
      // The loss of a quantile is another one than the squared error.
      return [
        {
          metric: hyperparameters?.['quantile'] === undefined ? loss('rmse') : 'validation.loss',
          direction: 'MINIMIZE',
        },
      ];
    case 'CLUSTERING':
      return [{ metric: 'validation.silhouette', direction: 'MAXIMIZE' }];
  }
}

const OF_FOLDS = 'cross_validation.';
const MEAN = '.mean';
const meanOfFolds = (name: string): string => `${OF_FOLDS}${name}${MEAN}`;

/**
 * The metric that each epoch or each fold logs for an objective, while the training goes on; undefined when only the
 * finished training has it.
 */
export function metricOfSteps({ metric }: Objective): string | undefined {
  if (/^(train|validation)\./.test(metric)) return metric;
  return metric.startsWith(OF_FOLDS) && metric.endsWith(MEAN) ? metric.slice(0, -MEAN.length) : undefined;
}

/** The metrics of a cross-validation that can be objectives: the means over the folds. */
export function metricsOfFolds(folds: readonly FoldResult[]): Record<string, number> {
  return Object.fromEntries(summarizeFolds(folds).map(({ name, mean }) => [meanOfFolds(name), mean]));
}
