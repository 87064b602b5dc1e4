import type { Service } from './service.ts';

export const LOG_METRICS = 'mutation ($input: LogMetricsInput!) { logMetrics(input: $input) { addedCount } }';

/** A new run. */
export async function newRun(service: Service): Promise<string> {
  const { createExperiment } = await service.send<{ createExperiment: { experiment: { id: string } } }>(
    'mutation ($name: String!) { createExperiment(input: { name: $name }) { experiment { id } } }',
    { name: `bench-${performance.now()}-${Math.random()}` },
  );
  const { createRun } = await service.send<{ createRun: { run: { id: string } } }>(
    'mutation ($id: ID!) { createRun(input: { experimentId: $id }) { run { id } } }',
    { id: createExperiment.experiment.id },
  );
  return createRun.run.id;
}
