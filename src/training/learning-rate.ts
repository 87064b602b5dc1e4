/** How the learning rate changes during a training. */
export type Schedule = 'CONSTANT' | 'STEP' | 'COSINE' | 'PLATEAU';

export interface LearningRateOptions {
  schedule: Schedule;
  /** The highest one. */
  learningRate: number;
  /** Rises linearly over these epochs, which may be a fraction. */
  warmupEpochs: number;
  /** STEP and PLATEAU: what the learning rate is multiplied by. */
  decayFactor: number;
  /** STEP: epochs from one decay to the next. PLATEAU: epochs without improvement before one. */
  decayEpochs: number;
}

/** PLATEAU: a smaller loss is an improvement from this fraction on; PyTorch has the same. */
const IMPROVEMENT = 1e-4;

/** What PLATEAU knows of the epochs so far. */
export interface Plateau {
  bestLoss: number | null;
  epochsSinceBest: number;
  /** The product of all decays. */
  factor: number;
}

export const FLAT_START: Plateau = { bestLoss: null, epochsSinceBest: 0, factor: 1 };

/** The learning rate of a step, the first being 0, of a training of `epochs` epochs of `stepsPerEpoch` steps. */
export function learningRateAt(
  options: LearningRateOptions,
  step: number,
  { stepsPerEpoch, epochs }: { stepsPerEpoch: number; epochs: number },
  plateau: Plateau = FLAT_START,
): number {
  const { schedule, learningRate, decayFactor, decayEpochs } = options;
  const warmupSteps = Math.round(options.warmupEpochs * stepsPerEpoch);
  if (step < warmupSteps) return (learningRate * (step + 1)) / warmupSteps;
  switch (schedule) {
    case 'CONSTANT':
      return learningRate;
    case 'STEP':
      return learningRate * decayFactor ** Math.floor(Math.floor(step / stepsPerEpoch) / decayEpochs);
    case 'COSINE': {
      const share = (step - warmupSteps) / Math.max(1, stepsPerEpoch * epochs - warmupSteps);
      return (learningRate * (1 + Math.cos(Math.PI * share))) / 2;
    }
    case 'PLATEAU':
      return learningRate * plateau.factor;
  }
}

/** What PLATEAU knows after an epoch with this mean loss of its training rows. */
export function afterEpoch({ decayFactor, decayEpochs }: LearningRateOptions, before: Plateau, loss: number): Plateau {
  const { bestLoss, factor } = before;
  if (bestLoss === null || loss < bestLoss * (1 - IMPROVEMENT)) return { bestLoss: loss, epochsSinceBest: 0, factor };
  const epochsSinceBest = before.epochsSinceBest + 1;
  return epochsSinceBest > decayEpochs
    ? { bestLoss, epochsSinceBest: 0, factor: factor * decayFactor }
    : { bestLoss, epochsSinceBest, factor };
}
