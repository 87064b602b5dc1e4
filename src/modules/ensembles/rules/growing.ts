/** How BAGGING and BOOSTING train several models from one configuration. */
import { badInput } from '../../../errors.js';
import { isPython, taskOf, type TrainingConfig } from '../../algorithms/index.js';
import type { InputRange } from '../../core/index.js';
import { grows, memberField, type Method } from './members.js';

export const ESTIMATORS: InputRange = { min: 2, max: 100, unit: 'models' };
export const MAX_SAMPLES: InputRange = { min: 0.01, max: 1 };
export const LEARNING_RATE: InputRange = { min: 0.001, max: 2 };

/** As scikit-learn's BaggingClassifier; its AdaBoostClassifier; its GradientBoostingRegressor. */
const USUAL_ESTIMATORS = { BAGGING: 10, BOOSTING: 50 } as const;
const USUAL_RATE = { CLASSIFICATION: 1, REGRESSION: 0.1 } as const;

export interface GivenGrowth {
  estimators?: number | null;
  maxSamples?: number | null;
  learningRate?: number | null;
}

export interface Growing {
  estimators: number;
  maxSamples: number;
  learningRate: number;
}

/** What is asked for, with the usual values for what is absent; null for other methods. Errors: BAD_USER_INPUT. */
export function growingOf(
  method: Method,
  given: GivenGrowth | null,
  member: { name: string; training: { config: TrainingConfig } | null },
): Growing | null {
  if (!grows(method)) {
    if (given) throw badInput('input.growth', 'nothing unless the method is BAGGING or BOOSTING', method);
    return null;
  }
  const config = member.training?.config;
  const reason = config ? cannotGrow(config) : 'was not trained here from a configuration';
  if (!config || reason !== null)
    throw badInput(
      memberField(0),
      'a version that this service can train again in its own processes',
      `${member.name}, which ${reason}`,
    );
  const odd = method === 'BAGGING' ? 'learningRate' : 'maxSamples';
  if (given?.[odd] != null) throw badInput(`input.growth.${odd}`, `nothing with ${method}`, given[odd]);
  const usual = method === 'BAGGING' ? USUAL_ESTIMATORS.BAGGING : USUAL_ESTIMATORS.BOOSTING;
  const task = taskOf(config.algorithm) === 'REGRESSION' ? 'REGRESSION' : 'CLASSIFICATION';
  return {
    estimators: given?.estimators ?? usual,
    maxSamples: given?.maxSamples ?? 1,
    learningRate: given?.learningRate ?? USUAL_RATE[task],
  };
}

function cannotGrow(config: TrainingConfig): string | null {
  if (isPython(config)) return `has the algorithm ${config.algorithm} of Python`;
  return config.reading === 'BLOCKS' ? 'was trained in blocks (reading BLOCKS)' : null;
}
