import { z } from 'zod';

/** Kinds of warnings about a training's results, for the person who reads them. */
export const TRAINING_WARNINGS = [
  'COLUMN_LEFT_OUT',
  // Only stored by earlier releases.
  'HYPERPARAMETER_UNUSED',
  'NOT_CONVERGED',
  'LOSS_STILL_FALLING',
  'LOSS_DIVERGED',
  'OVERFITTED',
  'WORSE_THAN_BASE_RATE',
  'CLASS_RARELY_PREDICTED',
  'TARGET_LEAK',
  'COPIED_ROWS',
] as const;
export type TrainingWarningCode = (typeof TRAINING_WARNINGS)[number];

export const trainingWarningSchema = z.object({
  code: z.enum(TRAINING_WARNINGS),
  /** One sentence that also says what to do next. */
  message: z.string(),
  /** The numbers behind the warning; all are finite. */
  figures: z.array(z.object({ name: z.string(), value: z.number() })),
  /** The column that the warning is about. */
  column: z.string().optional(),
  /** Some of the rows that the warning is about, as indexes in the file: each is a copy of a training row. */
  copies: z.array(z.object({ row: z.number(), trainingRow: z.number() })).optional(),
});
export type TrainingWarning = z.infer<typeof trainingWarningSchema>;

export function trainingWarning(
  code: TrainingWarningCode,
  message: string,
  figures: Record<string, number> = {},
): TrainingWarning {
  const finite = Object.entries(figures).filter(([, value]) => Number.isFinite(value));
  return { code, message, figures: finite.map(([name, value]) => ({ name, value })) };
}

/**
 * The part of the validation loss that warnings need. Checkpoints contain it, so that a resumed training gives the same
 * warnings as one without interruption.
 */
export interface LossCurve {
  first: number;
  /** The loss after four fifths of the epochs. */
  late: number | null;
  last: number;
  lowest: number;
  lowestEpoch: number;
}

const LATE_SHARE = 0.8;
/** Smaller changes of the loss count as noise: as a fraction, and in nats or in units of the target's variance. */
const SHARE_THAT_COUNTS = 0.01;
const LOSS_THAT_COUNTS = 0.001;
const OVERFITTED_SHARE = 0.1;
/** A class that is predicted less often than this fraction of its own rows counts as never predicted. */
const RARE_SHARE = 0.1;
const ROWS_THAT_COUNT = 5;

export function trackLoss(curve: LossCurve | undefined, epoch: number, epochs: number, loss: number): LossCurve {
  const late = epoch === Math.max(1, Math.floor(epochs * LATE_SHARE)) && epoch < epochs ? loss : (curve?.late ?? null);
  if (!curve) return { first: loss, late, last: loss, lowest: loss, lowestEpoch: epoch };
  const isLowest = loss < curve.lowest;
  return { ...curve, late, last: loss, ...(isLowest && { lowest: loss, lowestEpoch: epoch }) };
}

export interface CurveFacts {
  curve: LossCurve;
  epochs: number;
  /** The training ended by convergence or by early stopping. */
  finished: boolean;
  /** True for methods that converge without a limit of epochs: a solver or k-means. */
  converges: boolean;
  keepsBest: boolean;
}

export function curveWarnings({ curve, epochs, finished, converges, keepsBest }: CurveFacts): TrainingWarning[] {
  const { first, late, last, lowest, lowestEpoch } = curve;
  if (converges) {
    if (finished) return [];
    const message =
      `The training reached its limit of ${epochs} iterations before it had converged: raise ` +
      'hyperparameters.epochs, or leave it out.';
    return [trainingWarning('NOT_CONVERGED', message, { epochs, loss: last })];
  }
  const kept = keepsBest ? lowest : last;
  if (kept > first * (1 + OVERFITTED_SHARE) + LOSS_THAT_COUNTS) {
    const message = `The validation loss rose from ${shown(first)} to ${shown(last)}: lower hyperparameters.learningRate.`;
    return [trainingWarning('LOSS_DIVERGED', message, { firstLoss: first, lastLoss: last })];
  }
  if (!finished && late !== null && late - last > Math.max(LOSS_THAT_COUNTS, SHARE_THAT_COUNTS * Math.abs(late))) {
    const message =
      `The validation loss was still falling when the ${epochs} epochs were over, from ${shown(late)} to ` +
      `${shown(last)} in the last fifth: raise hyperparameters.epochs or hyperparameters.learningRate.`;
    return [trainingWarning('LOSS_STILL_FALLING', message, { epochs, lateLoss: late, lastLoss: last })];
  }
  if (!keepsBest && last > lowest * (1 + OVERFITTED_SHARE) + LOSS_THAT_COUNTS) {
    const message =
      `The validation loss was lowest in epoch ${lowestEpoch}, at ${shown(lowest)}, and ${shown(last)} at ` +
      'the end: set earlyStopping, which keeps the best epoch.';
    return [trainingWarning('OVERFITTED', message, { lowestLoss: lowest, lowestEpoch, lastLoss: last })];
  }
  return [];
}

/** The warning for a training whose loss became NaN or infinite. */
export function divergedWarning(epoch: number, learningRate: number): TrainingWarning {
  const message = `The training loss was no finite number any more after epoch ${epoch}: lower hyperparameters.learningRate.`;
  return trainingWarning('LOSS_DIVERGED', message, { epoch, learningRate });
}

/** What a model is compared with that does not look at the features, by the metric in which it is. */
const CONSTANT = { log_loss: 'the share of each class', rmse: 'the mean', pinball_loss: 'the quantile' };

/** `metric` is the name of both figures. */
export function baseRateWarning(metric: keyof typeof CONSTANT, model: number, baseRate: number): TrainingWarning[] {
  if (!(model >= baseRate)) return [];
  const message =
    `On the holdout the model is no better than ${CONSTANT[metric]} of the training rows: its ${metric} is ` +
    `${shown(model)} against ${shown(baseRate)}. Check the features, or choose another model.`;
  return [trainingWarning('WORSE_THAN_BASE_RATE', message, { [metric]: model, [`baseRate_${metric}`]: baseRate })];
}

/** Classes of the holdout that are predicted so rarely that their recall is useless. */
export function rareClassWarnings(
  classes: readonly string[],
  confusion: readonly (readonly number[])[],
): TrainingWarning[] {
  return classes.flatMap((name, k): TrainingWarning[] => {
    const rows = confusion[k]!.reduce((sum, count) => sum + count, 0);
    const predicted = confusion.reduce((sum, row) => sum + row[k]!, 0);
    if (rows < ROWS_THAT_COUNT || predicted >= RARE_SHARE * rows) return [];
    const remedy = classes.length === 2 ? 'set classWeights, or a decisionThreshold' : 'set classWeights';
    const message =
      `Class ${JSON.stringify(name)} has ${rows} rows of the holdout and was predicted for ${predicted}: ` +
      `${remedy}, if it matters.`;
    return [
      trainingWarning('CLASS_RARELY_PREDICTED', message, { rows, predicted, rightlyPredicted: confusion[k]![k]! }),
    ];
  });
}

/** When the check for leaks warns. */
export const LEAK_RULES = {
  /** A column alone explains this fraction of the log loss of the class fractions, or of the variance of the values. */
  classScore: 0.95,
  valueScore: 0.98,
  /** Copies of training rows: how many at least, as a number and as a fraction of the rows that were checked. */
  fewestCopies: 3,
  copiedShare: 0.01,
  /** Of pairs that agree in all columns but one, this fraction agrees in that one too, whichever it is. */
  copyAgreement: 0.5,
  /** At most this many equal training rows are expected by chance for a row, if columns were independent. */
  copiesByChance: 0.01,
} as const;

/** A feature that predicts the target without the others. */
export function targetLeakWarning(
  column: string,
  target: 'CLASSES' | 'VALUES',
  score: number,
  measuredRows: number,
): TrainingWarning {
  const what = target === 'CLASSES' ? 'log loss' : 'variance';
  const message =
    `Column ${JSON.stringify(column)} alone explains ${shown(score * 100)} % of the ${what} of the target, on rows ` +
    'that it was not fitted to: if its value is known only after the target, leave it out of the features.';
  return { ...trainingWarning('TARGET_LEAK', message, { score, measuredRows }), column };
}

const SHOWN_COPIES = 5;

/** Rows of validation and holdout that are equal to training rows in target and features. */
export function copiedRowsWarning(
  copies: NonNullable<TrainingWarning['copies']>,
  { checked, compared }: { checked: number; compared: number },
): TrainingWarning {
  const message =
    `${copies.length} of ${checked} rows of validation and holdout are copies of training rows, which makes their ` +
    'metrics too good: remove repeated rows from the dataset, or keep those that belong together on one side by a ' +
    'split by COLUMN.';
  const figures = {
    copiedRows: copies.length,
    checkedRows: checked,
    share: copies.length / checked,
    comparedTrainingRows: compared,
  };
  return { ...trainingWarning('COPIED_ROWS', message, figures), copies: copies.slice(0, SHOWN_COPIES) };
}

function shown(value: number): string {
  return String(Number(value.toPrecision(4)));
}
