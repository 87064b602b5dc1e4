import type { InputRange } from '../../../core/index.js';
import { type Backend, FEATURE_KINDS, type FeatureKind, type Strategy } from '../algorithm.js';
import { float, integer } from '../parameters.js';

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

/** For algorithms of trees. */
export const leafShare = (byDefault: number) =>
  float({
    about: 'Share of the value of each leaf that is added to the prediction.',
    range: LEARNING_RATE,
    default: byDefault,
    search: { kind: 'FLOAT', low: 0.01, high: 0.3, log: true },
  });

export const leafPenalty = (byDefault: number) =>
  float({
    about: 'L2 penalty on the values of the leaves.',
    range: PENALTY,
    default: byDefault,
    search: { kind: 'FLOAT', low: 1e-3, high: 10, log: true },
  });

export const ROW_SHARE = float({
  about: 'Fraction of the training rows, drawn at random, that each tree uses.',
  range: SHARE,
  default: 1,
  search: { kind: 'FLOAT', low: 0.5, high: 1 },
});

/** For boosted trees of Python libraries: they count rounds, and see encoded columns. */
export const ROUNDS = integer({
  about: 'Number of rounds; each adds a tree, for more than two classes one per class.',
  range: { ...EPOCHS, unit: 'rounds' },
  default: 1000,
  whenAbsent: '1,000, with early stopping after 20 rounds without improvement.',
});

export const COLUMN_SHARE = float({
  about: 'Fraction of the encoded columns, drawn at random, that each tree uses.',
  range: SHARE,
  default: 1,
  search: { kind: 'FLOAT', low: 0.4, high: 1 },
});

/** What the algorithms of the Python trainers have in common. They see the same encoded columns as a network. */
export const PYTHON = {
  family: 'PYTHON',
  sampleWeights: true,
  canStopEarly: true,
  backends: ['LOCAL', 'RAY'] as readonly Backend[],
  teamsOn: [] as readonly Backend[],
  strategies: [] as readonly Strategy[],
  featureKinds: ['NUMERIC', 'CATEGORICAL', 'TIMESTAMP'] as readonly FeatureKind[],
  output: 'ONNX',
} as const;

/** What all algorithms of this service's own trainers have in common. */
export const OWN = {
  canStopEarly: true,
  backends: ['LOCAL'] as readonly Backend[],
  teamsOn: [] as readonly Backend[],
  strategies: [] as readonly Strategy[],
  featureKinds: FEATURE_KINDS as readonly FeatureKind[],
  output: 'ONNX',
} as const;
