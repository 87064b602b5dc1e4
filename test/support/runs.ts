import type { Caller } from './service.js';
import { CreateRunDocument, LogMetricsDocument } from '../../schema/generated/operations.js';
import { CreateExperimentDetailsDocument } from '../generated/operations.js';

/** A new run. */
export async function newRun(caller: Caller): Promise<string> {
  return newRunOf(caller, await newExperiment(caller), {});
}

interface NewRun {
  params?: Record<string, string>;
  metrics?: { key: string; value: number | string; step?: number; loggedAt?: string }[];
}

export async function newExperiment(caller: Caller): Promise<string> {
  const { createExperiment } = await caller.ok(CreateExperimentDetailsDocument, {
    input: { name: `e-${Math.random()}` },
  });
  return createExperiment.experiment.id;
}

/** A run of an experiment, with logged data. */
export async function newRunOf(
  caller: Caller,
  experimentId: string,
  { params = {}, metrics = [] }: NewRun,
): Promise<string> {
  const { createRun } = await caller.ok(CreateRunDocument, {
    input: { experimentId, params: Object.entries(params).map(([key, value]) => ({ key, value })) },
  });
  const runId = createRun.run.id;
  if (metrics.length > 0) await caller.ok(LogMetricsDocument, { input: { runId, metrics } });
  return runId;
}
