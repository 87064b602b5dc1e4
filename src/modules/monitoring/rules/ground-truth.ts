import { badInput } from '../../../errors.js';
import { sameClass } from '../../model-contract/index.js';
import { logLossRows } from '../../statistics/index.js';

/** A model's answer to one row, as the log has it. */
export interface LoggedAnswer {
  kind: string | null;
  /** For a classification. */
  label: string | null;
  /** The value, or the probability of the second of two classes. */
  score: number | null;
  /** For more than two classes. */
  probabilities: readonly number[] | null;
}

/** The true class or the true number of a row. */
export interface GroundTruthValue {
  label?: string | null;
  value?: number | null;
}

/** A ground truth together with the answer that it is compared with. */
export interface ComparedAnswer {
  label: string | null;
  value: number | null;
  predictedLabel: string | null;
  predictedValue: number | null;
  /** −ln of the probability of the true class; null without probabilities or when the class of each is unknown. */
  logLoss: number | null;
}

const MAX_SHOWN_CLASSES = 20;

/**
 * `classes` are those of the signature. BAD_USER_INPUT when the ground truth is of another kind than the answer, or
 * names a class that the model does not have.
 */
export function compareAnswer(
  field: string,
  truth: GroundTruthValue,
  answer: LoggedAnswer,
  classes: readonly string[] | undefined,
): ComparedAnswer {
  const { label = null, value = null } = truth;
  if (answer.kind === 'VALUES') {
    if (value === null || label !== null)
      throw badInput(`${field}.value`, 'a number, and no label, for a regression', label ?? value);
    return { label: null, value, predictedLabel: null, predictedValue: answer.score, logLoss: null };
  }
  if (answer.kind !== 'CLASSES')
    throw badInput(field, 'a row that was answered with a class or a number', 'an answer that no label can judge');
  if (label === null || value !== null)
    throw badInput(`${field}.label`, 'the true class, and no value, for a classification', value ?? label);
  const known = classes?.find((name) => sameClass(name, label));
  if (classes && known === undefined) {
    const more = classes.length > MAX_SHOWN_CLASSES ? ', …' : '';
    throw badInput(
      `${field}.label`,
      `one of the classes ${classes.slice(0, MAX_SHOWN_CLASSES).join(', ')}${more}`,
      label,
    );
  }
  const predicted = answer.label;
  // Without class names, the model's answers are the only known spelling.
  const spelled = known ?? (predicted !== null && sameClass(predicted, label) ? predicted : label);
  return {
    label: spelled,
    value: null,
    predictedLabel: predicted,
    predictedValue: null,
    logLoss: lossOf(spelled, answer, classes),
  };
}

function lossOf(
  label: string,
  { score, probabilities }: LoggedAnswer,
  classes: readonly string[] | undefined,
): number | null {
  const likely = probabilities ?? (score === null ? null : [1 - score, score]);
  if (!likely) return null;
  const index = classes ? classes.indexOf(label) : /^\d+$/.test(label) ? Number(label) : -1;
  if (!(index >= 0 && index < likely.length) || (classes && classes.length !== likely.length)) return null;
  const [loss] = logLossRows({
    labels: Int32Array.of(index),
    probabilities: Float32Array.from(likely),
    classCount: likely.length,
  });
  return Number.isFinite(loss) ? loss! : null;
}
