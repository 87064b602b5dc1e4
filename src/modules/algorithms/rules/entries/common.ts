import type { InputRange } from '../../../core/index.js';
import { type Backend, FEATURE_KINDS, type FeatureKind } from '../algorithm.js';
import { integer } from '../parameters.js';

export const EPOCHS = { min: 1, max: 10_000, unit: 'epochs' } satisfies InputRange;
export const LEARNING_RATE = { above: 0, max: 10 } satisfies InputRange;
export const PENALTY = { min: 0, max: 10 } satisfies InputRange;
export const SHARE = { above: 0, max: 1 } satisfies InputRange;
const CATEGORIES = { min: 1, max: 2_000, unit: 'categories' } satisfies InputRange;

export function maxCategories(byDefault: number) {
  return integer({
    about:
      'Maximum number of categories per column: the most frequent are kept; all others, also those that appear only ' +
      'at prediction, form one more category.',
    range: CATEGORIES,
    default: byDefault,
  });
}

/** What the algorithms of the Python trainers have in common. They see the same encoded columns as a network. */
export const PYTHON = {
  family: 'FOREST',
  sampleWeights: false,
  backends: ['RAY'] as readonly Backend[],
  featureKinds: ['NUMERIC', 'CATEGORICAL', 'TIMESTAMP'] as readonly FeatureKind[],
  output: 'ONNX',
} as const;

/** What all algorithms of this service's own trainers have in common. */
export const OWN = {
  backends: ['LOCAL'] as readonly Backend[],
  featureKinds: FEATURE_KINDS as readonly FeatureKind[],
  output: 'ONNX',
} as const;
