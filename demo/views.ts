import { must } from './walk.ts';

export interface Version {
  id: string;
  version: number;
  semanticVersion: string;
  stage: string;
}

export interface DatasetView {
  id: string;
  version: number;
  rowCount: number;
  sha256: string;
  columns: {
    name: string;
    type: string;
    missingCount: number;
    distinctCount: number;
    min: string | null;
    max: string | null;
  }[];
}

export interface JobView {
  status: string;
  /** What came out, as far as this kind of job has it. */
  outcome: { evaluationId?: string; rows?: number } | null;
  errorMessage: string | null;
}

export interface Gate {
  gate: string;
  passed: boolean;
  checks: { name: string; passed: boolean; expected: string; got: string }[];
}

export interface Comparison {
  candidate: number;
  reference: number;
  difference: number;
  low: number;
  high: number;
}

export interface DeploymentView {
  id: string;
  mode: string;
  status: string;
  weightBps: number;
  modelVersion: { version: number };
}

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
