import type { TrainingConfig } from '../../modules/algorithms/index.js';
import { classWeightsOf } from '../class-weights.js';
import { encodeRows, type Encoding } from '../encoding.js';
import { fitEncoding } from '../fit-encoding.js';
import type { Head } from '../graphs/heads.js';
import { fingerprintOf, type LabelledRows, truthValues, weightValues } from '../learner.js';
import { headOf, truthOf, weightsAt } from '../problem.js';
import type { TrainingRows } from '../rows.js';

/**
 * A model as work outside the service sees it: rows of numbers. The same config and file always give the same, so
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
export function encodedProblem(config: TrainingConfig, rows: TrainingRows, learntFrom: Int32Array): EncodedProblem {
  const { columns, target } = rows;
  const encoding = fitEncoding(config, columns, learntFrom);
  const labelled = (positions: Int32Array): LabelledRows => ({
    ...encodeRows(encoding, columns, positions),
    truth: truthOf(target, positions),
    weights: weightsAt(rows, positions),
  });
  const train = labelled(learntFrom);
  return {
    encoding,
    head: headOf(config, target, learntFrom),
    classWeights: classWeightsOf(config, target, learntFrom),
    labelled,
    fingerprint: fingerprintOf(
      [config, encoding],
      ...[train.numeric, train.indicators, truthValues(train), weightValues(train)],
    ),
  };
}
