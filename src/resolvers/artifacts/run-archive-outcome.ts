import { Field, ObjectType } from 'type-graphql';
import { RUN_ARCHIVE } from '../../modules/artifacts/index.js';
import { defineOutcome } from '../jobs/job-outcome.js';

@ObjectType({ description: 'Outcome of a RUN_ARCHIVE job: files of the run.' })
export class RunArchiveOutcome {
  @Field(() => [String], {
    description: 'Paths of the files among the run’s artifacts; empty when there was nothing to store.',
  })
  paths!: string[];

  @Field(() => String, {
    nullable: true,
    description: 'Why nothing was stored: the status of a run that was resumed, or DELETED; null otherwise.',
  })
  skipped!: string | null;
}

export const runArchiveOutcome = defineOutcome({
  kind: RUN_ARCHIVE,
  result: RUN_ARCHIVE.result,
  type: RunArchiveOutcome,
  show: ({ files = [], skipped = null }) => ({ paths: files.map(({ path }) => path), skipped }),
});
