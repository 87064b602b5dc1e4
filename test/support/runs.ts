import type { Caller } from './service.js';

export const LOG_METRICS = 'mutation ($input: LogMetricsInput!) { logMetrics(input: $input) { addedCount } }';

/** A run to log to. */
export async function newRun(caller: Caller): Promise<string> {
  const { createExperiment } = await caller.ok<{ createExperiment: { experiment: { id: string } } }>(
    'mutation ($name: String!) { createExperiment(input: { name: $name }) { experiment { id } } }',
    { name: `e-${Math.random()}` },
  );
  const { createRun } = await caller.ok<{ createRun: { run: { id: string } } }>(
    'mutation ($id: ID!) { createRun(input: { experimentId: $id }) { run { id } } }',
    { id: createExperiment.experiment.id },
  );
  return createRun.run.id;
}
