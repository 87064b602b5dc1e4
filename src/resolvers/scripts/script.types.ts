import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { NAME } from '../../modules/core/index.js';
import { COMMAND } from '../../modules/scripts/index.js';
import { RunType } from '../experiments/run.types.js';
import { JobRequestInput, JobType } from '../jobs/job.types.js';
import { TrainingBackendEnum } from '../training/algorithm.types.js';
import { Range } from '../types/range.js';

@InputType({ description: 'Code of your own that trains, and the command that runs it.' })
export class StartScriptInput {
  @Field(() => ID, { description: 'Experiment of the new run. NOT_FOUND when it does not exist.' })
  experimentId!: string;

  @Field(() => ID, {
    description:
      'An uploaded zip of at most 256 MiB with the code: at most 10,000 files, which have at most 1 GiB; no links, no ' +
      'absolute paths, no `..`. NOT_FOUND when there is no such upload. The run keeps it as `code/script.zip`.',
  })
  uploadId!: string;

  @Range(COMMAND)
  @Field(() => String, {
    description:
      'Command line of the shell, in the folder of the unpacked zip, e.g. `python train.py --depth 3`. The script failed ' +
      'when its exit code is not 0.',
  })
  command!: string;

  @Field(() => ID, {
    nullable: true,
    description:
      'Only with LOCAL: dataset version that the script reads as a Parquet file, whose path is in its environment as ' +
      'MATIH_DATASET. NOT_FOUND when it does not exist.',
  })
  datasetId?: string | null;

  @Range(NAME)
  @Field(() => String, { nullable: true, description: 'Name of the run; generated from the time when absent.' })
  runName?: string | null;

  @Field(() => TrainingBackendEnum, {
    nullable: true,
    description:
      'Where the script runs; LOCAL when absent: a sandbox on a worker of this service. UNAVAILABLE when it cannot run ' +
      'there now: the message says what to do.',
  })
  backend?: keyof typeof TrainingBackendEnum | null;

  @Field(() => JobRequestInput, {
    nullable: true,
    description:
      'Resources, priority and time of the job; those of the kind when absent. With LOCAL there are no GPUs; with RAY ' +
      'no resources can be given.',
  })
  job?: JobRequestInput | null;
}

@ObjectType({ description: 'The script after the mutation.' })
export class ScriptPayload {
  @Field(() => JobType, { description: 'The job; subscribe to it with `jobProgress`.' })
  job!: JobType;

  @Field(() => RunType, {
    description: 'Run to which the script logs; subscribe to it with `runMetrics` and `runLogs`.',
  })
  run!: RunType;
}
