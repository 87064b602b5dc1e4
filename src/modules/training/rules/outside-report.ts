import { z } from 'zod';

const REPORTS_AT_ONCE = 500;
const METRICS_PER_EPOCH = 100;
const MAX_EPOCHS = 1_000_000;

const common = {
  seq: z.int().min(1, 'a whole number from 1').describe('Number of the report, from 1, without gaps.'),
  at: z.int().min(0).max(8.64e15).describe('Time of the report, in milliseconds since 1970.'),
};
const epoch = z
  .int()
  .min(1, `1 to ${MAX_EPOCHS}`)
  .max(MAX_EPOCHS, `1 to ${MAX_EPOCHS}`)
  .describe('Number of the epoch, from 1.');

/** Names of the files that work outside may store. */
export const WORK_FILE = /^(checkpoint-\d{1,7}|outputs-\d{1,15}|trained\.safetensors|result\.json)$/;

/** One report of a training that runs outside. */
export const outsideReportSchema = z.discriminatedUnion('type', [
  z.strictObject({
    ...common,
    type: z.literal('progress'),
    fraction: z.number().min(0, '0 to 1').max(1, '0 to 1').describe('Fraction of the work that is done, 0 to 1.'),
    message: z.string().max(2_000, 'at most 2000 characters').describe('Current activity: at most 2000 characters.'),
  }),
  z.strictObject({
    ...common,
    type: z.literal('epoch'),
    epoch,
    epochs: epoch.describe('Number of epochs, at most.'),
    metrics: z
      .record(z.string().max(250, 'at most 250 characters'), z.number())
      .refine((metrics) => Object.keys(metrics).length <= METRICS_PER_EPOCH, `at most ${METRICS_PER_EPOCH} metrics`)
      .describe(`Metrics of the epoch by name, e.g. \`validation.loss\`: at most ${METRICS_PER_EPOCH}.`),
  }),
  z.strictObject({
    ...common,
    type: z.literal('log'),
    line: z.string().max(2_000, 'at most 2000 characters').describe('A line for the log of the run.'),
  }),
  z.strictObject({
    ...common,
    type: z.literal('checkpoint'),
    epoch,
    file: z
      .string()
      .regex(/^checkpoint-\d{1,7}$/, 'checkpoint-<epoch>')
      .describe('Name of the file, which must be stored before: `checkpoint-<epoch>`.'),
    sizeBytes: z.int().min(0).describe('Size of the file in bytes.'),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits')
      .describe('SHA-256 of the file, hexadecimal.'),
  }),
]);
export type OutsideReport = z.output<typeof outsideReportSchema>;

export const outsideReportsSchema = z
  .strictObject({
    reports: z
      .array(outsideReportSchema)
      .max(REPORTS_AT_ONCE, `at most ${REPORTS_AT_ONCE} reports`)
      .describe(`Reports in their order: at most ${REPORTS_AT_ONCE}. None only asks whether the work shall go on.`),
  })
  .meta({ id: 'TrainingReports' });
