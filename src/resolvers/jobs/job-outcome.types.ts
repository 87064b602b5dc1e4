// one file because they are the members of one union: what came out of each kind of job.
import { createUnionType, Field, Float, ID, Int, ObjectType } from 'type-graphql';
import type { Signature } from '../../modules/model-contract/index.js';
import { ModelSignatureType, NamedMetric } from '../registry/model-version.types.js';
import { StageEnum, type StageName } from '../registry/model.types.js';
import { RunWarning } from '../experiments/run.types.js';
import { describeEnum } from '../types/common.types.js';
import { Json, MetricValue, SafeInt } from '../types/scalars.js';

export const HurdleEnum = describeEnum('Hurdle', 'What can keep a version from its next stage.', {
  EVALUATION: 'The gate that asks for a measurement on rows that it never saw.',
  VALIDATION: 'The gate of signature, sample predictions, holdout metrics and latency.',
  SHADOW: 'The gate that asks for a time beside the version in PRODUCTION.',
  APPROVALS: 'People who have yet to agree, or have refused.',
});

@ObjectType({ description: 'What a TRAINING left.' })
export class TrainingOutcome {
  @Field(() => SafeInt, { description: 'Size of the trained model.onnx in bytes.' })
  sizeBytes!: number;

  @Field(() => String, { description: 'SHA-256 of the trained model.onnx, hexadecimal.' })
  sha256!: string;

  @Field(() => ModelSignatureType, { description: 'What the model takes and gives.' })
  signature!: Signature;

  @Field(() => [NamedMetric], { description: 'Final metrics by name, e.g. `holdout.log_loss`.' })
  metrics!: NamedMetric[];

  @Field(() => MetricValue, {
    nullable: true,
    description:
      'Largest absolute difference between the trainer’s outputs and the runtime’s; null when it is not finite.',
  })
  agreementMaxAbsDiff!: number | null;

  @Field(() => SafeInt, { description: 'Rows that it learnt from.' })
  trainRows!: number;

  @Field(() => SafeInt, { description: 'Rows that watched it learn.' })
  validationRows!: number;

  @Field(() => SafeInt, { description: 'Rows that were kept for the last measurement.' })
  holdoutRows!: number;

  @Field(() => Int, { description: 'Passes over the rows, early stopping included.' })
  epochsRun!: number;

  @Field(() => Int, { description: 'The epoch whose weights were kept, from 1.' })
  bestEpoch!: number;

  @Field(() => Boolean, { description: 'Whether it ended before its last epoch.' })
  stoppedEarly!: boolean;

  @Field(() => [RunWarning], { description: 'What to look at before the model is used, as its run shows it.' })
  warnings!: RunWarning[];
}

@ObjectType({ description: 'What an EVALUATION left; `evaluation(id: evaluationId)` is the whole report.' })
export class EvaluationOutcome {
  @Field(() => ID, { description: 'Id of the report, the same as the job’s.' })
  evaluationId!: string;

  @Field(() => Boolean, { description: 'Whether the gate EVALUATION is passed by it.' })
  passed!: boolean;

  @Field(() => SafeInt, { description: 'How many rows judged.' })
  rows!: number;

  @Field(() => [NamedMetric], { description: 'What was measured, by name, e.g. `roc_auc`.' })
  metrics!: NamedMetric[];

  @Field(() => ID, {
    nullable: true,
    description: 'The version that it was to be compared with; null for the base rate alone.',
  })
  baselineVersionId!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Why that one could not answer for the same rows; null when it could.',
  })
  baselineProblem!: string | null;
}

@ObjectType({ description: 'What a VALIDATION left; the checks are in the version’s gate VALIDATION.' })
export class ValidationOutcome {
  @Field(() => Boolean, { description: 'Whether the gate VALIDATION is passed by it.' })
  passed!: boolean;

  @Field(() => [String], { description: 'Names of the checks that were not passed, e.g. `latency_p95_ms`.' })
  failedChecks!: string[];

  @Field(() => Float, {
    nullable: true,
    description: '95th percentile of the latency of single rows in milliseconds; null without an answer.',
  })
  latencyP95Ms!: number | null;

  @Field(() => SafeInt, { description: 'Rows that the model was tried on.' })
  sampleRows!: number;
}

@ObjectType({ description: 'What a BATCH_INFERENCE left: one Parquet file.' })
export class BatchInferenceOutcome {
  @Field(() => ID, { description: 'Id of the file among the artifacts.' })
  artifactId!: string;

  @Field(() => String, { description: 'Path to GET with your token, below the address of this service.' })
  downloadUrl!: string;

  @Field(() => SafeInt, { description: 'Rows of the file, as many as the dataset has.' })
  rows!: number;

  @Field(() => SafeInt, { description: 'Bytes of the Parquet file, as `downloadUrl` gives it.' })
  sizeBytes!: number;

  @Field(() => String, { description: 'SHA-256 of the file, hexadecimal.' })
  sha256!: string;
}

@ObjectType({ description: 'What a CONVERSION left: the version’s model.onnx.' })
export class ConversionOutcome {
  @Field(() => String, { description: 'What was converted, e.g. `sklearn`.' })
  framework!: string;

  @Field(() => String, { description: 'SHA-256 of the model.onnx, hexadecimal.' })
  sha256!: string;

  @Field(() => MetricValue, {
    nullable: true,
    description: 'Largest absolute difference between the two models’ answers; null where none was compared.',
  })
  maxAbsDiff!: number | null;

  @Field(() => MetricValue, {
    nullable: true,
    description: 'The same in units of the answers’ spread; null where none was compared.',
  })
  maxScaledDiff!: number | null;
}

@ObjectType({ description: 'What keeps a version from its next stage.' })
export class MissingStep {
  @Field(() => HurdleEnum, { description: 'Which gate, or people.' })
  gate!: keyof typeof HurdleEnum;

  @Field(() => String, { description: 'What is wrong with it, to be read after the name of the gate.' })
  problem!: string;

  @Field(() => String, { description: 'What to call so that it can be passed.' })
  next!: string;
}

@ObjectType({ description: 'How far a RELEASE has brought its version.' })
export class ReleaseOutcome {
  @Field(() => StageEnum, { description: 'Where the version stood when the release ended.' })
  stage!: StageName;

  @Field(() => StageEnum, { description: 'Where it was to go.' })
  targetStage!: StageName;

  @Field(() => Boolean, { description: 'Whether it is there, or past it.' })
  reached!: boolean;

  @Field(() => MissingStep, {
    nullable: true,
    description: 'The first gate that it has not passed; null when it is where it was to go.',
  })
  firstMissing!: MissingStep | null;

  @Field(() => ID, {
    nullable: true,
    description: 'The evaluation that this release had done; null when none was needed.',
  })
  evaluationJobId!: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'The validation that this release had done; null when none was needed.',
  })
  validationJobId!: string | null;
}

@ObjectType({ description: 'What a RUN_ARCHIVE left: files of the run.' })
export class RunArchiveOutcome {
  @Field(() => [String], {
    description: 'Paths of the files among the run’s artifacts; empty when there was nothing to store.',
  })
  paths!: string[];

  @Field(() => String, {
    nullable: true,
    description: 'Why nothing was stored: the state of a run that went on, or DELETED; null otherwise.',
  })
  skipped!: string | null;
}

@ObjectType({ description: 'What a GARBAGE_COLLECTION kept, and why.' })
export class KeptThing {
  @Field(() => String, { description: 'What it is: run, loggedModel or experiment.' })
  type!: string;

  @Field(() => ID, { description: 'Opaque id (UUIDv7) of what stays.' })
  id!: string;

  @Field(() => String, { description: 'What it is called.' })
  name!: string;

  @Field(() => String, { description: 'What needs it still.' })
  reason!: string;
}

@ObjectType({ description: 'What a GARBAGE_COLLECTION removed for good.' })
export class GarbageCollectionOutcome {
  @Field(() => SafeInt, { description: 'Runs that are gone.' })
  runs!: number;

  @Field(() => SafeInt, { description: 'Logged models that are gone.' })
  loggedModels!: number;

  @Field(() => SafeInt, { description: 'Experiments that are gone.' })
  experiments!: number;

  @Field(() => SafeInt, { description: 'Metric points that went with them.' })
  metricPoints!: number;

  @Field(() => SafeInt, { description: 'Lines of logs that went with them.' })
  logLines!: number;

  @Field(() => SafeInt, { description: 'Files that went with them.' })
  files!: number;

  @Field(() => [KeptThing], { description: 'The first hundred things that stay although they were deleted.' })
  kept!: KeptThing[];

  @Field(() => SafeInt, { description: 'How many things stay although they were deleted.' })
  keptCount!: number;

  @Field(() => Json, {
    nullable: true,
    description:
      'With `checkStorage`: {objects, rows, objectsWithoutRow: {count, keys}, rowsWithoutObject: {count, ' +
      'keys}}; null without.',
  })
  storage!: object | null;
}

@ObjectType({ description: 'How many things of one kind an archive holds.' })
export class ThingCount {
  @Field(() => String, { description: 'What they are, e.g. `runs`, `points` (of metrics), `logs` (lines) or `files`.' })
  kind!: string;

  @Field(() => SafeInt, { description: 'How many, 0 or more.' })
  count!: number;
}

@ObjectType({ description: 'What an EXPERIMENT_EXPORT left: one tar archive.' })
export class ExperimentExportOutcome {
  @Field(() => ID, { description: 'Id of the archive among the artifacts.' })
  artifactId!: string;

  @Field(() => String, { description: 'Path to GET with your token, below the address of this service.' })
  downloadUrl!: string;

  @Field(() => SafeInt, { description: 'Bytes of the tar archive, as `downloadUrl` gives it.' })
  sizeBytes!: number;

  @Field(() => String, { description: 'SHA-256 of the archive, hexadecimal.' })
  sha256!: string;

  @Field(() => [ThingCount], { description: 'How many things of each kind are in it.' })
  counts!: ThingCount[];
}

@ObjectType({ description: 'What an EXPERIMENT_IMPORT left.' })
export class ExperimentImportOutcome {
  @Field(() => ID, { description: 'The experiment that holds what was brought.' })
  experimentId!: string;

  @Field(() => Boolean, {
    description:
      'Whether everything has the id that it had when this tenant exported it here. False for archives of others.',
  })
  keptIds!: boolean;

  @Field(() => Boolean, { description: 'Whether the same archive had been brought before, so that nothing was to do.' })
  unchanged!: boolean;

  @Field(() => [ThingCount], { description: 'How many things of each kind were brought; empty when unchanged.' })
  counts!: ThingCount[];
}

@ObjectType({ description: 'How many things of one kind an import has met.' })
export class ImportCount {
  @Field(() => String, { description: 'What they are: experiments, runs, loggedModels, models or modelVersions.' })
  kind!: string;

  @Field(() => SafeInt, { description: 'Those that are new here.' })
  added!: number;

  @Field(() => SafeInt, { description: 'Those that had changed there since the last import.' })
  changed!: number;

  @Field(() => SafeInt, { description: 'Those that were here as they are there.' })
  unchanged!: number;
}

@ObjectType({ description: 'Something that an import has left out.' })
export class ImportProblem {
  @Field(() => String, { description: 'What it is, e.g. `run 3f…`.' })
  thing!: string;

  @Field(() => String, { description: 'Why it was left out, in words.' })
  reason!: string;
}

@ObjectType({ description: 'What an MLFLOW_IMPORT has brought over all its attempts.' })
export class MlflowImportOutcome {
  @Field(() => [ImportCount], { description: 'By kind: experiments, runs, loggedModels, models, modelVersions.' })
  imported!: ImportCount[];

  @Field(() => SafeInt, { description: 'Metric points that were brought.' })
  metricPoints!: number;

  @Field(() => SafeInt, { description: 'Files that were brought.' })
  artifacts!: number;

  @Field(() => SafeInt, { description: 'Bytes of these files.' })
  artifactBytes!: number;

  @Field(() => [ImportProblem], { description: 'The first hundred things that were left out.' })
  problems!: ImportProblem[];

  @Field(() => SafeInt, { description: 'How many things were left out.' })
  problemCount!: number;
}

export const JobOutcome = createUnionType({
  name: 'JobOutcome',
  description: 'What came out of a job, by its kind: select it with `... on TrainingOutcome { … }`.',
  types: () =>
    [
      TrainingOutcome,
      EvaluationOutcome,
      ValidationOutcome,
      BatchInferenceOutcome,
      ConversionOutcome,
      ReleaseOutcome,
      RunArchiveOutcome,
      GarbageCollectionOutcome,
      ExperimentExportOutcome,
      ExperimentImportOutcome,
      MlflowImportOutcome,
    ] as const,
});
