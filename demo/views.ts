import type {
  EndpointTrafficQuery,
  GatesQuery,
  JobQuery,
  RegisterDatasetMutation,
} from '../schema/generated/operations.ts';
import { must } from './walk.ts';

export interface Version {
  id: string;
  version: number;
  semanticVersion: string;
  stage: string;
}

export type DatasetView = RegisterDatasetMutation['registerDataset']['dataset'];
export type JobView = JobQuery['job'];
export type Gate = GatesQuery['modelVersion']['gates'][number];
export type DeploymentView = EndpointTrafficQuery['endpoint']['deployments'][number];

export function interval(low: number | null, high: number | null): string {
  return low === null || high === null ? '' : `${low.toFixed(4)} – ${high.toFixed(4)}`;
}

export function failedChecks(gate: Gate): string {
  return gate.checks
    .filter((check) => !check.passed)
    .map((check) => `${check.name}: expected ${check.expected}, got ${check.got}`)
    .join('; ');
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export function present(version: Version | null): Version {
  must(version !== null, 'the version is not registered');
  return version;
}

export function round(value: number): number {
  return Number(value.toFixed(5));
}
