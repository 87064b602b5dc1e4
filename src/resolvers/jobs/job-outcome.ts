import { type ClassType, createUnionType } from 'type-graphql';
import type { z } from 'zod';
import { type JobKind, readStored, type Stored, type StoredResult } from '../../modules/jobs/index.js';
import type { NamedMetric } from '../registry/model-version.types.js';
import { JobKindEnum } from './job.types.js';

/** The outcome of a kind of job, as the API shows it. */
export interface OutcomeDefinition {
  kind: JobKind;
  type: ClassType<object>;
  show(stored: StoredResult): object;
}

/** `result` is the result of the kind, without the keys that the API does not show. */
export function defineOutcome<Result extends Stored, Shown extends object>({
  kind,
  result,
  type,
  show,
}: {
  kind: JobKind;
  result: Result;
  type: new () => Shown;
  show(result: z.output<Result>): Shown;
}): OutcomeDefinition {
  return {
    kind,
    type,
    // The class identifies the member of the union.
    show: (stored) =>
      Object.assign(
        new type(),
        show(readStored(result, stored.result, { what: 'result', kind: kind.kind, id: stored.id })),
      ),
  };
}

const outcomes = new Map<string, OutcomeDefinition>();

/** Call before the schema is built: adds the kinds of jobs, and the outcomes of those that have one. */
export function contributeJobs(
  kinds: readonly Pick<JobKind, 'kind' | 'about'>[],
  definitions: readonly OutcomeDefinition[],
): void {
  for (const { kind, about } of kinds) JobKindEnum.add(kind, about);
  for (const definition of definitions) outcomes.set(definition.kind.kind, definition);
}

export const JobOutcome = createUnionType({
  name: 'JobOutcome',
  description: 'Result of a job, by its kind. Select it with `... on TrainingOutcome { … }`.',
  types: () => [...outcomes.values()].map(({ type }) => type),
});

/** Null for a kind without an outcome. */
export function outcomeOf(stored: StoredResult): object | null {
  return outcomes.get(stored.kind)?.show(stored) ?? null;
}

/** Metrics by name; those that are not finite are left out. */
export function finiteMetrics(metrics: Record<string, number | null>): NamedMetric[] {
  return Object.entries(metrics).flatMap(([name, value]) => (value === null ? [] : [{ name, value }]));
}
