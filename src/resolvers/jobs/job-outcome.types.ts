// one file because they are the members of one union: what came out of each kind of job.
import { createUnionType, Field, Float, ID, Int, ObjectType } from 'type-graphql';
import type { Signature } from '../../modules/model-contract/index.js';
import { ModelSignatureType, NamedMetric } from '../registry/model-version.types.js';
import { StageEnum, type StageName } from '../registry/model.types.js';
import { RunWarning } from '../experiments/run.types.js';
import { describeEnum } from '../types/common.types.js';
import { Json, MetricValue, SafeInt } from '../types/scalars.js';

export const HurdleEnum = describeEnum('Hurdle', 'A requirement that a version can fail for its next stage.', {
  EVALUATION: 'The gate EVALUATION: metrics on rows that were not used for training.',
  VALIDATION: 'The gate VALIDATION: signature, sample predictions, holdout metrics and latency.',
  SHADOW: 'The gate SHADOW: comparison with the version in PRODUCTION on its traffic.',
  APPROVALS: 'Approvals are missing, or a person has rejected the version.',
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

@ObjectType({ description: 'Outcome of an EVALUATION job; `evaluation(id: evaluationId)` has the complete report.' })
export class EvaluationOutcome {
  @Field(() => ID, { description: 'Id of the evaluation, the same as the id of the job.' })
  evaluationId!: string;

  @Field(() => Boolean, { description: 'Whether the evaluation passes the gate EVALUATION.' })
  passed!: boolean;

  @Field(() => SafeInt, { description: 'Number of evaluated rows.' })
  rows!: number;

  @Field(() => [NamedMetric], { description: 'Measured metrics by name, e.g. `roc_auc`.' })
  metrics!: NamedMetric[];

  @Field(() => ID, {
    nullable: true,
    description: 'Baseline version; null when only the base rate was compared.',
  })
  baselineVersionId!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Why the baseline version could not answer the same rows; null when it could.',
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

@ObjectType({ description: 'Outcome of a BATCH_INFERENCE job: one Parquet file.' })
export class BatchInferenceOutcome {
  @Field(() => ID, { description: 'Artifact id of the file.' })
  artifactId!: string;

  @Field(() => String, {
    description: 'Path to GET the file with your token, relative to the address of this service.',
  })
  downloadUrl!: string;

  @Field(() => SafeInt, { description: 'Number of rows in the file, as many as the dataset has.' })
  rows!: number;

  @Field(() => SafeInt, { description: 'Size of the Parquet file in bytes, as downloaded from `downloadUrl`.' })
  sizeBytes!: number;

  @Field(() => String, { description: 'SHA-256 of the file, hexadecimal.' })
  sha256!: string;
}

@ObjectType({ description: 'Outcome of a CONVERSION job: the model.onnx of the version.' })
export class ConversionOutcome {
  @Field(() => String, { description: 'Framework of the original model, e.g. `sklearn`.' })
  framework!: string;

  @Field(() => String, { description: 'SHA-256 of the model.onnx, hexadecimal.' })
  sha256!: string;

  @Field(() => MetricValue, {
    nullable: true,
    description: 'Largest absolute difference between the answers of the two models; null when no rows were compared.',
  })
  maxAbsDiff!: number | null;

  @Field(() => MetricValue, {
    nullable: true,
    description:
      'Largest difference between the answers of the two models, divided by max(1, |answer|); null ' +
      'when no rows were compared.',
  })
  maxScaledDiff!: number | null;
}

@ObjectType({ description: 'A requirement that keeps a version from its next stage.' })
export class MissingStep {
  @Field(() => HurdleEnum, { description: 'The gate, or the approvals.' })
  gate!: keyof typeof HurdleEnum;

  @Field(() => String, { description: 'What is wrong, as text that follows the name of the gate.' })
  problem!: string;

  @Field(() => String, { description: 'Call that helps to meet the requirement.' })
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

@ObjectType({ description: 'An object that a GARBAGE_COLLECTION kept, and the reason.' })
export class KeptThing {
  @Field(() => String, { description: 'Type of the object: run, loggedModel or experiment.' })
  type!: string;

  @Field(() => ID, { description: 'Opaque id (UUIDv7) of the object.' })
  id!: string;

  @Field(() => String, { description: 'Name of the object.' })
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

@ObjectType({ description: 'How many things of one kind an archive holds.' })
export class ThingCount {
  @Field(() => String, { description: 'What they are, e.g. `runs`, `points` (of metrics), `logs` (lines) or `files`.' })
  kind!: string;

  @Field(() => SafeInt, { description: 'How many, 0 or more.' })
  count!: number;
}

@ObjectType({ description: 'Outcome of an EXPERIMENT_EXPORT job: one tar archive.' })
export class ExperimentExportOutcome {
  @Field(() => ID, { description: 'Artifact id of the archive.' })
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

@ObjectType({ description: 'Outcome of an EXPERIMENT_IMPORT job.' })
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

export const JobOutcome = createUnionType({
  name: 'JobOutcome',
  description: 'Result of a job, by its kind. Select it with `... on TrainingOutcome { … }`.',
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
