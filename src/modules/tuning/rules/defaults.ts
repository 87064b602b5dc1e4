import { algorithmOf, searchSpaceOf, taskOf, type TrainingConfigInput } from '../../algorithms/index.js';
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

/** Measured on the validation rows, so that the holdout stays unseen. */
export function defaultObjectives({ algorithm, hyperparameters }: TrainingConfigInput): Objective[] {
  switch (taskOf(algorithm)) {
    case 'CLASSIFICATION':
      return [{ metric: 'validation.log_loss', direction: 'MINIMIZE' }];
    case 'REGRESSION':
      // The loss of a quantile is another one than the squared error.
      return [
        {
          metric: hyperparameters?.['quantile'] === undefined ? 'validation.rmse' : 'validation.loss',
          direction: 'MINIMIZE',
        },
      ];
    case 'CLUSTERING':
      return [{ metric: 'validation.silhouette', direction: 'MAXIMIZE' }];
  }
}
