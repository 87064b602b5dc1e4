import { z } from 'zod';

/** What work outside says at its end, in `result.json`: it stores this file last. */
export const outsideResultSchema = z.discriminatedUnion('state', [
  z.object({
    state: z.literal('TRAINED'),
    /** Of the file of arrays. */
    sha256: z.string(),
    /** Of trees only. */
    comparison: z.enum(['LESS', 'LESS_OR_EQUAL']).optional(),
    link: z.enum(['NONE', 'SIGMOID', 'SOFTMAX']).optional(),
    epochsRun: z.int().min(1),
    bestEpoch: z.int().min(0),
    stoppedEarly: z.boolean(),
    /** The validation loss of each reported epoch. */
    losses: z.array(z.object({ epoch: z.int().min(1), loss: z.number() })).max(10_000),
  }),
  z.object({ state: z.literal('FAILED'), message: z.string() }),
]);

/** A training that has ended outside with a model. */
export type TrainedOutside = Extract<z.infer<typeof outsideResultSchema>, { state: 'TRAINED' }>;
