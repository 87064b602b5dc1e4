import { Field, ObjectType } from 'type-graphql';
import { MLFLOW_IMPORT } from '../../modules/exchange/index.js';
import { defineOutcome } from '../jobs/job-outcome.js';
import { SafeInt } from '../types/scalars.js';

const IMPORTED = ['experiments', 'runs', 'loggedModels', 'models', 'modelVersions'] as const;

@ObjectType({ description: 'Counters of an import for one kind of object.' })
export class ImportCount {
  @Field(() => String, { description: 'Kind of object: experiments, runs, loggedModels, models or modelVersions.' })
  kind!: string;

  @Field(() => SafeInt, { description: 'Number of objects that are new here.' })
  added!: number;

  @Field(() => SafeInt, {
    description: 'Number of objects that had changed on the other server since the last import.',
  })
  changed!: number;

  @Field(() => SafeInt, { description: 'Number of objects that are the same here and there.' })
  unchanged!: number;
}

@ObjectType({ description: 'An object that an import has left out.' })
export class ImportProblem {
  @Field(() => String, { description: 'The object, e.g. `run 3f…`.' })
  thing!: string;

  @Field(() => String, { description: 'Why the object was left out, as a sentence.' })
  reason!: string;
}

@ObjectType({ description: 'Outcome of an MLFLOW_IMPORT job: what it has imported in all attempts.' })
export class MlflowImportOutcome {
  @Field(() => [ImportCount], {
    description: 'Counters by kind: experiments, runs, loggedModels, models, modelVersions.',
  })
  imported!: ImportCount[];

  @Field(() => SafeInt, { description: 'Number of imported metric points.' })
  metricPoints!: number;

  @Field(() => SafeInt, { description: 'Number of imported files.' })
  artifacts!: number;

  @Field(() => SafeInt, { description: 'Total size of the imported files in bytes.' })
  artifactBytes!: number;

  @Field(() => [ImportProblem], { description: 'The first hundred objects that were left out.' })
  problems!: ImportProblem[];

  @Field(() => SafeInt, { description: 'Number of objects that were left out.' })
  problemCount!: number;
}

export const mlflowImportOutcome = defineOutcome({
  kind: MLFLOW_IMPORT,
  result: MLFLOW_IMPORT.result,
  type: MlflowImportOutcome,
  show: (tally) => ({ ...tally, imported: IMPORTED.map((kind) => ({ kind, ...tally[kind] })) }),
});
