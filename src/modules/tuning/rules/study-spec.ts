import { z } from 'zod';
import type { InputRange } from '../../core/index.js';
import type { Backend, TrainingConfigInput } from '../../algorithms/index.js';
import { objectiveSchema, toMinimise } from './objectives.js';
import type { SamplerName } from './samplers.js';
import type { Params, SearchSpace } from './space.js';
import type { CurvePoint } from './study.js';

/** AUTO: chosen by a written rule when the study begins. */
export type SamplerKind = 'AUTO' | SamplerName;

export const PRUNERS = ['NONE', 'ASHA', 'HYPERBAND', 'MEDIAN', 'WILCOXON', 'PATIENCE', 'THRESHOLD'] as const;
export type PrunerKind = (typeof PRUNERS)[number];

export const STUDY_RANGES = {
  objectives: { min: 1, max: 4, unit: 'objectives' },
  objective: { min: 0, max: 3 },
  trials: { min: 1, max: 100_000, unit: 'trials' },
  durationMs: { min: 1_000, max: 14 * 24 * 3_600_000, unit: 'milliseconds' },
  window: { min: 2, max: 1_000, unit: 'trials' },
  minGain: { min: 0 },
  parallel: { min: 1, max: 64, unit: 'trials' },
  repeats: { min: 1, max: 20, unit: 'trainings' },
  enqueued: { max: 1_000, unit: 'trials' },
  warmStart: { max: 20, unit: 'studies' },
  seed: { min: 0, max: 2 ** 31 - 1 },
  aliveMs: { min: 1_000, max: 7 * 24 * 3_600_000, unit: 'milliseconds' },
  step: { min: 0 },
  /** As many as a training has epochs at most. */
  reports: { min: 1, max: 10_000, unit: 'intermediate values' },
  violations: { max: 20, unit: 'numbers' },
  startupTrials: { min: 0, max: 1_000, unit: 'trials' },
  steps: { min: 1, max: 1_000_000, unit: 'steps' },
  reduction: { min: 2, max: 100 },
  probability: { above: 0, below: 1 },
} satisfies Record<string, InputRange>;

/** How running trials are compared with others, and when one is stopped; an absent field has the pruner's default. */
export const prunerSchema = z.object({
  kind: z.enum(PRUNERS),
  minSteps: z.int().optional(),
  maxSteps: z.int().optional(),
  reduction: z.number().optional(),
  startupTrials: z.int().optional(),
  patience: z.int().optional(),
  minDelta: z.number().optional(),
  pValue: z.number().optional(),
  lower: z.number().optional(),
  upper: z.number().optional(),
});
export type PrunerConfig = z.infer<typeof prunerSchema>;

/** What does not change while a study goes on. */
export interface StudySpec {
  space: SearchSpace;
  objectives: z.infer<typeof objectiveSchema>[];
  sampler: SamplerName;
  /** Why AUTO has chosen it; null when the request named it. */
  samplerReason: string | null;
  pruner: PrunerConfig;
  /**
   * The value that pruners compare: of a training, a metric of each epoch; otherwise what is reported. With several
   * objectives and a pruner it is the first of them, and all are compared.
   */
  curve: z.infer<typeof objectiveSchema>;
  seed: number;
  /** How often each trial is repeated with another seed. */
  repeats: number;
  parallelTrials: number;
  /** The configuration of each training, without the tuned hyperparameters; null for outside trainers. */
  training: TrainingConfigInput | null;
  /** Where the trainings run, and with how many processes; null: as a training without them. */
  backend: Backend | null;
  workers: number | null;
  /** An outside trainer without a sign of life for this time has lost its trial. */
  aliveMs: number;
}

/** What a trial reports at each step. */
export function reportedBy({ objectives, pruner, curve }: Pick<StudySpec, 'objectives' | 'pruner' | 'curve'>) {
  return objectives.length > 1 && pruner.kind !== 'NONE' ? objectives : [curve];
}

/**
 * The intermediate values of a trial as its row has them: all of the first step, then all of the next one. The `last`
 * ones, or all.
 */
export function reportsOf(
  { reportSteps, reportValues }: { reportSteps: readonly number[]; reportValues: readonly number[] },
  last = reportSteps.length,
): CurvePoint[] {
  const width = reportValues.length / reportSteps.length;
  const from = Math.max(0, reportSteps.length - last);
  return reportSteps.slice(from).map((step, i) => ({
    step,
    values: reportValues.slice((from + i) * width, (from + i + 1) * width),
  }));
}

/** Reports as pruners see them. */
export function curveOfReports(spec: StudySpec, points: readonly CurvePoint[]): CurvePoint[] {
  const metrics = reportedBy(spec);
  return points.map(({ step, values }) => ({
    step,
    values: values.map((value, k) => toMinimise(value, metrics[k]!)),
  }));
}

/** A finished trial of an earlier study; values and directions are those of that study's objectives. */
export interface PriorTrial {
  params: Params;
  values: number[];
}
