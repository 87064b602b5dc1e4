import type { PlanAbTestInput } from '../../schema/generated/operations.js';
import { linear } from '../fixtures/models/build.js';
import type { Caller, TestService } from './service.js';
import { deploy, makeVersion, serve, xToY } from './serving.js';

export interface Pair {
  endpointId: string;
  control: string;
  treatment: string;
  treatmentVersion: string;
}

/** An endpoint with y = x, and y = x + shift beside it. */
export async function pairOf(service: TestService, caller: Caller, shift: number): Promise<Pair> {
  const first = await serve(service, caller, { bytes: linear([1], 0), signature: xToY(1) });
  const { modelId, endpointId, deploymentId: control } = first;
  const second = await makeVersion(service, { bytes: linear([1], shift), signature: xToY(1), modelId });
  const treatment = await deploy(caller, { endpointId, modelVersionId: second.versionId, weightBps: 0 });
  return { endpointId, control, treatment, treatmentVersion: second.versionId };
}

let named = 0;

/** A test of the mean answer, and of what clients record as revenue. */
export function testOf(pair: Pair, more: Partial<PlanAbTestInput>): PlanAbTestInput {
  return {
    ...{ name: `counted ${++named}`, endpointId: pair.endpointId, minimumEffect: 1 },
    variants: [
      { name: 'old', deploymentId: pair.control, weightBps: 5_000 },
      { name: 'new', deploymentId: pair.treatment, weightBps: 5_000 },
    ],
    metrics: [
      { name: 'answer', role: 'PRIMARY', source: 'OUTPUT', aggregation: 'MEAN', wanted: 'INCREASE' },
      { name: 'revenue', role: 'SECONDARY', source: 'OUTCOME', aggregation: 'SUM', wanted: 'INCREASE' },
    ],
    ...{ minHours: 0, maxHours: 672, looks: 6, alpha: 0.05, power: 0.8, cuped: false },
    ...{ design: 'GROUP_SEQUENTIAL', correction: 'HOLM', whenDecided: 'ROUTE_TO_WINNER' },
    ...more,
  };
}
