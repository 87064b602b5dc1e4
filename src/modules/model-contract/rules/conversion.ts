import { z } from 'zod';
import { COLUMN_TYPES } from './dataset-schema.js';

/**
 * Limit of the largest |a - b| / max(1, |a|) between the answers of a model and those of its conversion, over all
 * sample rows and outputs.
 */
export const CONVERSION_TOLERANCE = 1e-4;

const text = z.string().max(4_000);
const measured = {
  framework: text,
  frameworkVersion: text,
  converter: text,
  /** Operator set versions by domain. */
  opsets: z.record(z.string().max(100), z.int()),
  precision: z.enum(['single', 'double']),
  sampleRows: z.int().min(1),
  sampleSource: z.enum(['DATASET', 'INPUT_EXAMPLE', 'GENERATED']),
  /** The columns that fill the model's only input, in order, when its files name them. */
  columns: z
    .array(z.object({ name: z.string().min(1).max(1_000), type: z.enum(COLUMN_TYPES) }))
    .max(10_000)
    .nullish(),
  /** The class of each probability, in order. */
  classes: z.array(z.string().min(1).max(250)).max(1_000).nullish(),
  maxAbsDiff: z.number().min(0),
  maxScaledDiff: z.number().min(0),
};

/** How a conversion ended. The message of the converting process is checked by this schema before it is used. */
export const conversionOutcomeSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('CONVERTED'), ...measured }),
  z.object({ state: z.literal('DISAGREES'), ...measured }),
  z.object({ state: z.literal('MISSING_CONVERTER'), framework: text, missing: z.array(text).max(50), install: text }),
  z.object({ state: z.literal('NEEDS_SAMPLE'), reason: text }),
  z.object({ state: z.literal('UNSUPPORTED'), reason: text }),
  z.object({ state: z.literal('FAILED'), reason: text }),
]);
export type ConversionOutcome = z.infer<typeof conversionOutcomeSchema>;

/** What is stored with the version. NOT_CONFIGURED: this service is not configured to convert models. */
export type Conversion = (ConversionOutcome | { state: 'NOT_CONFIGURED'; reason: string }) & { jobId: string };

export interface SampleRows {
  columns: string[];
  rows: (string | number | boolean | null)[][];
}

/** One sentence for people: the problem and what to do. Null when the version has its model.onnx. */
export function conversionProblem(outcome: Conversion): string | null {
  switch (outcome.state) {
    case 'CONVERTED':
      return null;
    case 'DISAGREES':
      return (
        'The converted model answers otherwise than the original: up to ' +
        `${outcome.maxScaledDiff.toPrecision(3)} of the answer's size, where ${CONVERSION_TOLERANCE} is ` +
        'allowed.'
      );
    case 'MISSING_CONVERTER':
      return (
        `The service's Python lacks ${outcome.missing.join(', ')}. Install: ${outcome.install}, then convert ` +
        'again.'
      );
    case 'NEEDS_SAMPLE':
      return (
        `${outcome.reason} Name a dataset with sample rows (sampleDatasetId), or log the model with an ` +
        'input_example.'
      );
    case 'NOT_CONFIGURED':
    case 'UNSUPPORTED':
    case 'FAILED':
      return outcome.reason;
  }
}
