/** What the members of a stacked ensemble must have in common to be trained again in the same folds. */
import { isDeepStrictEqual } from 'node:util';
import { badInput } from '../../../errors.js';
import { type CrossValidation, isPython, taskOf, type TrainingConfig } from '../../algorithms/index.js';
import { holdoutKey, memberField } from './members.js';

/** As in scikit-learn. */
const FOLDS = 5;

export interface StackedMember {
  name: string;
  /** The training that made it; null when it was uploaded, when another program trained it, and for an ensemble. */
  training: { datasetId: string; config: TrainingConfig } | null;
}

/** The configurations and their folds. BAD_USER_INPUT names the first member that cannot be trained again. */
export function stackingOf(members: readonly StackedMember[]): {
  folds: CrossValidation & { seed: number };
  configs: TrainingConfig[];
} {
  const trainings = members.map(({ name, training }, i) => {
    const reason = training ? cannotTrainHere(training.config) : 'was not trained here from a configuration';
    if (training && reason === null) return { name, ...training };
    throw badInput(
      memberField(i),
      'a version that this service can train again in folds (BLENDING takes any version)',
      `${name}, which ${reason}`,
    );
  });
  const first = trainings[0]!;
  for (const [i, { name, datasetId, config }] of trainings.entries())
    if (datasetId !== first.datasetId || !isDeepStrictEqual(holdoutKey(config), holdoutKey(first.config)))
      throw badInput(
        memberField(i),
        `a version trained on the dataset and with the holdout of ${first.name} (BLENDING takes any version)`,
        `${name}, which was trained on other rows`,
      );
  const divided = trainings.filter(({ config }) => config.crossValidation);
  const other = divided.find(({ config }) => !sameFolds(config, divided[0]!.config));
  if (other)
    throw badInput(
      memberField(trainings.indexOf(other)),
      `a version whose crossValidation is that of ${divided[0]!.name}, as the folds of all must be the same`,
      other.name,
    );
  const folds = divided[0]?.config.crossValidation ?? usualFolds(first.config);
  return { folds: { ...folds, seed: first.config.seed }, configs: trainings.map(({ config }) => config) };
}

function sameFolds(a: TrainingConfig, b: TrainingConfig): boolean {
  return isDeepStrictEqual(a.crossValidation, b.crossValidation);
}

function cannotTrainHere(config: TrainingConfig): string | null {
  if (isPython(config)) return `has the algorithm ${config.algorithm} of Python`;
  return config.reading === 'BLOCKS' ? 'was trained in blocks (reading BLOCKS)' : null;
}

function usualFolds({ algorithm, split }: TrainingConfig): CrossValidation {
  if (split.by === 'TIME') return { by: 'TIME', folds: FOLDS };
  return { by: taskOf(algorithm) === 'CLASSIFICATION' ? 'STRATIFIED' : 'K_FOLD', folds: FOLDS };
}
