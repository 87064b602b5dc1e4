import { BenchCreateExperimentDocument, BenchCreateRunDocument } from '../generated/operations.ts';
import type { Service } from './service.ts';

/** A new run. */
export async function newRun(service: Service): Promise<string> {
  const { createExperiment } = await service.send(BenchCreateExperimentDocument, {
    input: { name: `bench-${performance.now()}-${Math.random()}` },
  });
  const { createRun } = await service.send(BenchCreateRunDocument, {
    input: { experimentId: createExperiment.experiment.id },
  });
  return createRun.run.id;
}
