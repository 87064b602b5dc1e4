import { z } from 'zod';
import { trainingConfigSchema } from '../../algorithms/index.js';
import { finiteOrNull, recordOf } from '../../core/index.js';

const estimate = z.object({ value: z.number(), low: z.number().nullable(), high: z.number().nullable() });
const estimates = recordOf(estimate);

/** What was found when the ensemble was made. Members stand in their order, and are named by their position. */
export const ensembleReportSchema = z.object({
  learntRows: z.int(),
  measuredRows: z.int(),
  comparedRows: z.int(),
  metrics: estimates,
  members: z.array(z.object({ weight: z.number().nullable(), metrics: estimates, contribution: finiteOrNull })),
  pairs: z.array(
    z.object({
      first: z.int(),
      second: z.int(),
      disagreement: finiteOrNull,
      qStatistic: finiteOrNull,
      errorCorrelation: finiteOrNull,
    }),
  ),
  againstBest: z
    .object({
      member: z.int(),
      comparison: z.object({
        metric: z.enum(['log_loss', 'rmse', 'error_rate']),
        candidate: z.number(),
        reference: z.number(),
        difference: z.object({ mean: z.number(), low: z.number(), high: z.number() }),
        verdict: z.enum(['BETTER', 'WORSE', 'NO_DIFFERENCE']),
      }),
    })
    .nullable(),
  /** Absent in reports of earlier releases. */
  grown: z
    .object({
      weights: z.array(z.number()),
      stopped: z.enum(['PERFECT', 'NO_BETTER_THAN_CHANCE']).nullable(),
      outOfBag: z.object({ rows: z.int(), metrics: estimates }).nullable(),
    })
    .nullish(),
});
/** How the answers of the members become one: `Combination` of the evaluator. */
export const combinationSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.enum(['MEAN', 'VOTES']), weights: z.array(z.number()) }),
  z.object({
    kind: z.literal('LINEAR'),
    coefficients: z.array(z.array(z.number())),
    intercepts: z.array(z.number()),
  }),
]);
export type StoredCombination = z.output<typeof combinationSchema>;

export type StoredReport = z.output<typeof ensembleReportSchema>;

/** The rows from which no member has learnt: the holdout of this training. */
export const holdoutSchema = z.object({ datasetId: z.guid(), config: trainingConfigSchema });
export type StoredHoldout = z.output<typeof holdoutSchema>;
