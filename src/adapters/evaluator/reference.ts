import {
  buildPredictionReference,
  type ReferenceProfile,
  columnNames,
  type Signature,
} from '../../modules/model-contract/index.js';
import { featureReference, type FeatureReference } from '../../training/reference.js';
import type { Answers } from './answers.js';
import type { EvaluatedRows } from './evaluated-rows.js';

/** The reference profile of a model that was not trained here: the rows of its evaluation. */
export function referenceOf(signature: Signature, rows: EvaluatedRows, answers: Answers): ReferenceProfile {
  const every = Int32Array.from({ length: rows.rowCount }, (_, row) => row);
  const features = signature.inputs.flatMap((spec) =>
    (columnNames(spec) ?? []).flatMap((name): [string, FeatureReference][] => {
      const column = rows.columns.get(name);
      // Time always drifts, so timestamps are left out.
      if (!column || column.type === 'TIMESTAMP' || spec.semantic === 'TIMESTAMP_MS') return [];
      return [[name, featureReference(column, spec.datatype === 'BYTES' ? 'CATEGORICAL' : 'NUMERIC', every)]];
    }),
  );
  return {
    features: Object.fromEntries(features),
    prediction: buildPredictionReference(scoresOf(answers, rows.rowCount)),
  };
}

/** The same scores that live traffic has. */
function scoresOf(answers: Answers, rowCount: number): Float64Array {
  switch (answers.task) {
    case 'REGRESSION':
      return answers.predicted;
    case 'CLASSIFICATION': {
      const { probabilities, classCount } = answers;
      return Float64Array.from({ length: rowCount }, (_, row) => {
        const own = probabilities.subarray(row * classCount, (row + 1) * classCount);
        return classCount === 2 ? own[1]! : own.reduce((a, b) => Math.max(a, b), 0);
      });
    }
    case 'CLUSTERING': {
      const { distances, clusterCount } = answers;
      return Float64Array.from({ length: rowCount }, (_, row) =>
        distances.subarray(row * clusterCount, (row + 1) * clusterCount).reduce((a, b) => Math.min(a, b), Infinity),
      );
    }
  }
}
