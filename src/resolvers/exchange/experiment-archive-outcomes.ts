import { Field, ID, ObjectType } from 'type-graphql';
import { EXPERIMENT_EXPORT, EXPERIMENT_IMPORT, LINE_KINDS } from '../../modules/exchange/index.js';
import { defineOutcome } from '../jobs/job-outcome.js';
import { SafeInt } from '../types/scalars.js';

@ObjectType({ description: 'Number of objects of one kind in an archive.' })
export class ThingCount {
  @Field(() => String, {
    description: 'Kind of object, e.g. `runs`, `points` (of metrics), `logs` (lines) or `files`.',
  })
  kind!: string;

  @Field(() => SafeInt, { description: 'Number of objects, 0 or more.' })
  count!: number;
}

@ObjectType({ description: 'Outcome of an EXPERIMENT_EXPORT job: one tar archive.' })
export class ExperimentExportOutcome {
  @Field(() => ID, { description: 'Artifact id of the archive file, to download it.' })
  artifactId!: string;

  @Field(() => String, {
    description: 'Path to GET the file with your token, relative to the address of this service.',
  })
  downloadUrl!: string;

  @Field(() => SafeInt, { description: 'Size of the tar archive in bytes, as downloaded from `downloadUrl`.' })
  sizeBytes!: number;

  @Field(() => String, { description: 'SHA-256 of the archive, hexadecimal.' })
  sha256!: string;

  @Field(() => [ThingCount], { description: 'Number of objects of each kind in the archive.' })
  counts!: ThingCount[];
}

@ObjectType({ description: 'Result of an EXPERIMENT_IMPORT job: the experiment and counters.' })
export class ExperimentImportOutcome {
  @Field(() => ID, { description: 'Experiment with the imported content.' })
  experimentId!: string;

  @Field(() => Boolean, {
    description:
      'Whether all objects kept the ids with which this tenant exported them here. False for archives of others.',
  })
  keptIds!: boolean;

  @Field(() => Boolean, {
    description: 'Whether the same archive had been imported before, so that the import changed nothing.',
  })
  unchanged!: boolean;

  @Field(() => [ThingCount], {
    description: 'Number of imported objects of each kind; empty when the import changed nothing.',
  })
  counts!: ThingCount[];
}

export const experimentExportOutcome = defineOutcome({
  kind: EXPERIMENT_EXPORT,
  result: EXPERIMENT_EXPORT.result,
  type: ExperimentExportOutcome,
  show: ({ artifactId, sizeBytes, sha256, ...counts }) => ({
    ...{ artifactId, sizeBytes, sha256, downloadUrl: `/artifacts/${artifactId}` },
    counts: objectCounts(counts),
  }),
});

export const experimentImportOutcome = defineOutcome({
  kind: EXPERIMENT_IMPORT,
  result: EXPERIMENT_IMPORT.result,
  type: ExperimentImportOutcome,
  show: ({ experimentId, keptIds, unchanged, ...counts }) => ({
    ...{ experimentId, keptIds, unchanged },
    counts: objectCounts(counts),
  }),
});

function objectCounts(counts: Partial<Record<(typeof LINE_KINDS)[number], number>>): ThingCount[] {
  return LINE_KINDS.flatMap((kind) => (counts[kind] === undefined ? [] : [{ kind, count: counts[kind] }]));
}
