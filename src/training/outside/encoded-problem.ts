import type { TrainingConfig } from '../../modules/algorithms/index.js';
import { classWeightsOf } from '../class-weights.js';
import { encodeRows, type Encoding } from '../encoding.js';
import { fitEncoding } from '../fit-encoding.js';
import type { Head } from '../graphs/heads.js';
import { fingerprintOf, type LabelledRows, truthValues } from '../learner.js';
import { headOf, truthOf } from '../problem.js';
import type { TrainingRows } from '../rows.js';

/**
 * A training as work outside the service sees it: rows of numbers. The same config and file always give the same, so
 * what the service prepared before the training, it finds again after it.
 */
export interface EncodedProblem {
  encoding: Encoding;
  head: Head;
  classWeights: Float64Array | undefined;
  labelled(positions: Int32Array): LabelledRows;
  fingerprint: string;
}

/** Errors: BAD_USER_INPUT, which names the field. */
export function encodedProblem(config: TrainingConfig, { columns, target, split }: TrainingRows): EncodedProblem {
  const encoding = fitEncoding(config, columns, split.train);
  const labelled = (positions: Int32Array): LabelledRows => ({
    ...encodeRows(encoding, columns, positions),
    truth: truthOf(target, positions),
  });
  const train = labelled(split.train);
  return {
    encoding,
    head: headOf(config, target, split.train),
    classWeights: classWeightsOf(config, target, split.train),
    labelled,
    fingerprint: fingerprintOf([config, encoding], train.numeric, train.indicators, truthValues(train)),
  };
}
