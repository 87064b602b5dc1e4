import { Field, ID, ObjectType } from 'type-graphql';
import { GARBAGE_COLLECTION } from '../../modules/garbage/index.js';
import { defineOutcome } from '../jobs/job-outcome.js';
import { Json, SafeInt } from '../types/scalars.js';

@ObjectType({ description: 'An object that a GARBAGE_COLLECTION kept, and the reason.' })
export class KeptThing {
  @Field(() => String, { description: 'Type of the object: run, loggedModel or experiment.' })
  type!: string;

  @Field(() => ID, { description: 'Opaque id (UUIDv7) of the object.' })
  id!: string;

  @Field(() => String, { description: 'Name of the object that was kept.' })
  name!: string;

  @Field(() => String, { description: 'What still needs the object.' })
  reason!: string;
}

@ObjectType({ description: 'Outcome of a GARBAGE_COLLECTION job: what it removed permanently.' })
export class GarbageCollectionOutcome {
  @Field(() => SafeInt, { description: 'Number of removed runs.' })
  runs!: number;

  @Field(() => SafeInt, { description: 'Number of removed logged models.' })
  loggedModels!: number;

  @Field(() => SafeInt, { description: 'Number of removed experiments.' })
  experiments!: number;

  @Field(() => SafeInt, { description: 'Number of removed metric points.' })
  metricPoints!: number;

  @Field(() => SafeInt, { description: 'Number of removed log lines.' })
  logLines!: number;

  @Field(() => SafeInt, { description: 'Number of removed files.' })
  files!: number;

  @Field(() => [KeptThing], { description: 'The first hundred deleted objects that were kept.' })
  kept!: KeptThing[];

  @Field(() => SafeInt, { description: 'Number of deleted objects that were kept.' })
  keptCount!: number;

  @Field(() => Json, {
    nullable: true,
    description:
      'With `checkStorage`: {objects, rows, objectsWithoutRow: {count, keys}, rowsWithoutObject: ' +
      '{count, keys}}; null otherwise.',
  })
  storage!: object | null;
}

export const garbageCollectionOutcome = defineOutcome({
  kind: GARBAGE_COLLECTION,
  result: GARBAGE_COLLECTION.result,
  type: GarbageCollectionOutcome,
  show: (result) => result,
});
