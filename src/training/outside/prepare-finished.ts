import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { AppError, ErrorCode } from '../../errors.js';
import type { Encoding } from '../encoding.js';
import { trackLoss, type LossCurve, type TrainingConfig } from '../../modules/algorithms/index.js';
import type { TrainingState } from '../checkpoint.js';
import { exportGraph } from '../graphs/export-graph.js';
import type { Head } from '../graphs/heads.js';
import type { Fitting, Predictions, Trained } from '../learner.js';
import type { FinishedOutside } from '../port.js';
import type { TrainingRows } from '../rows.js';
import { type NamedArray, readArrays, takeArray } from './arrays.js';
import { encodedProblem } from './encoded-problem.js';
import { exportForest } from './export-forest.js';
import { forestOf } from './forest.js';
import { MAIN, outsideParts } from './parts.js';
import type { TrainedOutside } from './result.js';
import { weightsOf } from './weights.js';

/**
 * A part of a training that has ended outside, by its name, as the trainers of this service see it: nothing is left to
 * fit. Its predictions are those of the library that trained it, so that the check of the exported model compares with
 * them. Errors: INVALID_MODEL, also when the file is not the one that its result names.
 */
export async function prepareFinished(
  config: TrainingConfig,
  rows: TrainingRows,
  { arraysPath, result }: FinishedOutside,
  name: string,
): Promise<Fitting> {
  const part = outsideParts(config, rows).find((one) => one.name === name)!;
  const { encoding, head, classWeights, labelled, fingerprint } = encodedProblem(config, rows, part.train);
  const { numericWidth, indicatorCount, slots } = encoding;
  await requireSame(arraysPath, result.sha256);
  const arrays = arraysUnder(await readArrays(arraysPath), name);
  const classCount = head.kind === 'CLASSES' ? head.classes.length : 1;
  const shape = { numericWidth, indicatorCount, indicatorSlots: slots.length, outputs: classCount };
  const known = {
    validation: predictionsIn(arrays, 'validation', part.validation.length, head),
    holdout: predictionsIn(arrays, 'holdout', part.holdout.length, head),
  };
  const placeOf = new Map<number, { part: keyof typeof known; at: number }>();
  for (const of of ['validation', 'holdout'] as const)
    part[of].forEach((row, at) => placeOf.set(row, { part: of, at }));
  const state: TrainingState = {
    ...{ epoch: result.epochsRun, step: result.epochsRun, bestEpoch: result.bestEpoch, bestLoss: null },
    ...{ epochsSinceBest: 0, finished: true, vectors: {} },
    curve: curveOf(result.losses, config.hyperparameters.epochs),
  };
  const validation = labelled(part.validation);
  return {
    config,
    shape,
    head,
    classWeights,
    learner: {
      converges: false,
      initialState: () => state,
      runEpoch: () => Promise.reject(new Error('This training has already ended.')),
    },
    fingerprint: () => fingerprint,
    trainCount: part.train.length,
    trainSample: validation,
    validation,
    predictShown: async () => ({ train: known.validation, validation: known.validation }),
    labelled,
    keepBest: () => undefined,
    modelOf: () => ({
      predict: async (positions) =>
        picked(
          known,
          Array.from(positions, (row) => placeOf.get(row)!),
        ),
      // The model of a fold is not stored, because it is only measured.
      export: (inputs, threshold) => exporterOf(config, encoding, head, arrays, result)(inputs, threshold),
    }),
    close: async () => undefined,
  };
}

/** The arrays of one part of the training. */
function arraysUnder(arrays: ReadonlyMap<string, NamedArray>, part: string): ReadonlyMap<string, NamedArray> {
  const prefix = `${part}.`;
  const own = new Map(
    [...arrays].flatMap(([name, array]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), array]] : [])),
  );
  // Work that an earlier release has started stores one part, without a name.
  return own.size > 0 || part !== MAIN ? own : arrays;
}

async function requireSame(path: string, expected: string): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  const got = hash.digest('hex');
  if (got === expected) return;
  throw new AppError(
    ErrorCode.INVALID_MODEL,
    'The model that was stored is not the one that the training reported: it was cut or changed on its way. Start the ' +
      'training again.',
    { field: 'sha256', expected, got },
  );
}

/** What writes the model that these arrays have: trees, or a network. */
function exporterOf(
  config: TrainingConfig,
  encoding: Encoding,
  head: Head,
  arrays: ReadonlyMap<string, NamedArray>,
  { comparison, link }: TrainedOutside,
): Trained['export'] {
  const { numericWidth, indicatorCount, slots } = encoding;
  const classCount = head.kind === 'CLASSES' ? head.classes.length : 1;
  if (comparison !== undefined && link !== undefined) {
    const columns = numericWidth + indicatorCount;
    const forest = forestOf(arrays, { columns, outputs: classCount > 2 ? classCount : 1, comparison, link });
    return (inputs, threshold) => exportForest({ config, columns: inputs, encoding, head, forest, threshold });
  }
  const hiddenLayers = 'hiddenLayers' in config.hyperparameters ? config.hyperparameters.hiddenLayers : [];
  const shape = { numericWidth, indicatorCount, indicatorSlots: slots.length, hiddenLayers, outputs: classCount };
  const weights = weightsOf(arrays, shape);
  return (inputs, threshold) => exportGraph({ config, columns: inputs, encoding, shape, head, weights, threshold });
}

function curveOf(losses: readonly { epoch: number; loss: number }[], epochs: number): LossCurve | undefined {
  let curve: LossCurve | undefined;
  for (const { epoch, loss } of losses) curve = trackLoss(curve, epoch, epochs, loss);
  return curve;
}

/** The stored predictions of a part: probabilities, or values in standard units of the target. */
function predictionsIn(arrays: ReadonlyMap<string, NamedArray>, part: string, rows: number, head: Head): Predictions {
  const name = `predictions.${part}`;
  if (head.kind === 'CLASSES') {
    const classCount = head.classes.length;
    const shares = takeArray(arrays, name, Float64Array, [rows, classCount]);
    return { kind: 'CLASSES', classCount, probabilities: Float32Array.from(shares) };
  }
  if (head.kind !== 'VALUE') throw new Error('Work outside trains no clusters.');
  const { mean, std } = head;
  return { kind: 'VALUE', values: takeArray(arrays, name, Float64Array, [rows]).map((value) => value * std + mean) };
}

function picked(
  known: Record<'validation' | 'holdout', Predictions>,
  places: readonly { part: keyof typeof known; at: number }[],
): Predictions {
  const { validation } = known;
  if (validation.kind === 'CLASSES') {
    const { classCount } = validation;
    const probabilities = new Float32Array(places.length * classCount);
    places.forEach(({ part, at }, i) => {
      const from = known[part];
      if (from.kind === 'CLASSES')
        probabilities.set(from.probabilities.subarray(at * classCount, (at + 1) * classCount), i * classCount);
    });
    return { kind: 'CLASSES', classCount, probabilities };
  }
  const values = Float64Array.from(places, ({ part, at }) => {
    const from = known[part];
    return from.kind === 'VALUE' ? from.values[at]! : Number.NaN;
  });
  return { kind: 'VALUE', values };
}
