import type { z } from 'zod';
import { parseInput } from '../../core/index.js';
import { type TrainingConfig, type TrainingRequestConfig, trainingRequestSchema } from './training-config.js';

/** A training's configuration before defaults and checks. */
export type TrainingConfigInput = z.input<typeof trainingRequestSchema>;

/**
 * Fills in defaults and checks shape and ranges. BAD_USER_INPUT names the first wrong field below `field`, what was
 * expected and what was given.
 */
export function parseTrainingConfig(field: string, input: unknown): TrainingRequestConfig {
  return parseInput(trainingRequestSchema, field, input);
}

/** The longest text of a run parameter. */
const MAX_PARAM_LENGTH = 5_000;

/** The configuration as parameters of its run: one for each value; a list becomes one text. */
export function configParams(config: TrainingConfig): { key: string; value: string }[] {
  const { features, ...rest } = config;
  const listed = features.map(({ column }) => column).join(', ');
  return [
    ...leaves('', rest),
    { key: 'features', value: listed.length > MAX_PARAM_LENGTH ? `${listed.slice(0, MAX_PARAM_LENGTH - 1)}…` : listed },
  ];
}

function leaves(path: string, value: unknown): { key: string; value: string }[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return [{ key: path, value: Array.isArray(value) ? value.join(', ') : String(value) }];
  return Object.entries(value).flatMap(([key, inner]) => leaves(path === '' ? key : `${path}.${key}`, inner));
}
