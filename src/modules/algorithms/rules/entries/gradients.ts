import { categorical, flag, float, integer } from '../parameters.js';
import { LEARNING_RATE } from './common.js';

/** Methods that make steps over minibatches. */
export const GRADIENT_METHODS = {
  ADAM: 'Adam over minibatches.',
  ADAMW: 'Adam over minibatches; weights also decay, by `weightDecay`.',
  SGD: 'Stochastic gradient descent over minibatches, with `momentum`.',
} as const;

const byGradients = { parameter: 'optimizer', oneOf: ['ADAM', 'ADAMW', 'SGD'] } as const;
const bySgd = { parameter: 'optimizer', oneOf: ['SGD'] } as const;
const ADAM_LEARNING_RATE = 0.001;
const SGD_LEARNING_RATE = 0.01;

export const learningRate = float({
  about: 'Size of the steps; with a `schedule` or `warmupEpochs`, the largest one.',
  range: LEARNING_RATE,
  when: byGradients,
  default: ({ optimizer }) => (optimizer === 'SGD' ? SGD_LEARNING_RATE : ADAM_LEARNING_RATE),
  whenAbsent: '0.01 with SGD, otherwise 0.001.',
  search: { kind: 'FLOAT', low: 1e-4, high: 0.1, log: true },
});

/** What all methods that make steps have in common. */
export const stepParameters = {
  batchSize: integer({
    about: 'Number of training rows of one step.',
    range: { min: 1, max: 65_536, unit: 'rows' },
    when: byGradients,
    whenAbsent: 'One twentieth of the training rows, at least 16 and at most 128.',
    search: { kind: 'CATEGORICAL', choices: [16, 32, 64, 128, 256] },
  }),
  momentum: float({
    about: 'Share of the last step that the next one keeps.',
    range: { min: 0, below: 1 },
    when: bySgd,
    default: 0.9,
  }),
  nesterov: flag({
    about: "Whether the step looks ahead by the momentum (Nesterov's method).",
    when: bySgd,
    default: false,
  }),
  weightDecay: float({
    about:
      'Share of each weight (not of the biases) that a step of learning rate 1 takes away; unlike `l2`, it is no part ' +
      'of the gradient.',
    range: { min: 0, max: 10 },
    when: { parameter: 'optimizer', oneOf: ['ADAMW'] },
    default: 0.01,
  }),
  gradientClipNorm: float({
    about: 'Greatest length of the gradient of all parameters together, penalty included; a longer one is shortened.',
    range: { above: 0, max: 1e6 },
    when: byGradients,
    whenAbsent: 'Gradients keep their length.',
  }),
  schedule: categorical({
    about: 'How the learning rate changes during the training.',
    choices: {
      CONSTANT: 'It stays the same.',
      STEP: 'It is multiplied by `decayFactor` after every `decayEpochs` epochs.',
      COSINE: 'It falls to 0 over all `epochs`, along half a cosine.',
      PLATEAU:
        'It is multiplied by `decayFactor` when the loss on the training rows has not fallen for more than ' +
        '`decayEpochs` epochs.',
    },
    when: byGradients,
    whenAbsent: 'CONSTANT',
  }),
  decayEpochs: integer({
    about: 'STEP: epochs from one decay to the next. PLATEAU: epochs without improvement that are waited for.',
    range: { min: 1, max: 10_000, unit: 'epochs' },
    when: { parameter: 'schedule', oneOf: ['STEP', 'PLATEAU'] },
    default: 10,
  }),
  decayFactor: float({
    about: 'What the learning rate is multiplied by at a decay.',
    range: { above: 0, below: 1 },
    when: { parameter: 'schedule', oneOf: ['STEP', 'PLATEAU'] },
    default: 0.1,
  }),
  warmupEpochs: float({
    about: 'Epochs, or a fraction of one, in which the learning rate first rises evenly from 0.',
    range: { min: 0, max: 10_000, unit: 'epochs' },
    when: byGradients,
    whenAbsent: 'It does not rise first.',
  }),
} as const;
