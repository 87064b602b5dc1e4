import { Field, ID, ObjectType } from 'type-graphql';
import { ENSEMBLE } from '../../modules/ensembles/index.js';
import { defineOutcome } from '../jobs/job-outcome.js';

@ObjectType({ description: 'Outcome of an ENSEMBLE job; `modelVersion(id) { ensemble { … } }` says what was found.' })
export class EnsembleOutcome {
  @Field(() => ID, { description: 'The version that was registered.' })
  modelVersionId!: string;
}

export const ensembleOutcome = defineOutcome({
  kind: ENSEMBLE,
  result: ENSEMBLE.result,
  type: EnsembleOutcome,
  show: (result) => result,
});
