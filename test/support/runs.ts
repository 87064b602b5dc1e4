import type { Caller } from './service.js';

export const LOG_METRICS = 'mutation ($input: LogMetricsInput!) { logMetrics(input: $input) { addedCount } }';

/** A run to log to. */
export async function newRun(caller: Caller): Promise<string> {
  return newRunOf(caller, await newExperiment(caller), {});
}

interface NewRun {
  params?: Record<string, string>;
  metrics?: { key: string; value: number | string; step?: number; loggedAt?: string }[];
}

export async function newExperiment(caller: Caller): Promise<string> {
  const { createExperiment } = await caller.ok<{ createExperiment: { experiment: { id: string } } }>(
    'mutation ($name: String!) { createExperiment(input: { name: $name }) { experiment { id } } }',
    { name: `e-${Math.random()}` },
  );
  return createExperiment.experiment.id;
}

/** A run of an experiment, with what was logged to it. */
export async function newRunOf(
  caller: Caller,
  experimentId: string,
  { params = {}, metrics = [] }: NewRun,
): Promise<string> {
  const { createRun } = await caller.ok<{ createRun: { run: { id: string } } }>(
    'mutation ($input: CreateRunInput!) { createRun(input: $input) { run { id } } }',
    { input: { experimentId, params: Object.entries(params).map(([key, value]) => ({ key, value })) } },
  );
  const runId = createRun.run.id;
  if (metrics.length > 0) await caller.ok(LOG_METRICS, { input: { runId, metrics } });
  return runId;
}
