import { LINE_KINDS } from '../../modules/exchange/index.js';
import type { JobResult } from '../../modules/jobs/index.js';
import type { NamedMetric } from '../registry/model-version.types.js';
import {
  BatchInferenceOutcome,
  ConversionOutcome,
  EvaluationOutcome,
  ExperimentExportOutcome,
  ExperimentImportOutcome,
  GarbageCollectionOutcome,
  MlflowImportOutcome,
  ReleaseOutcome,
  RunArchiveOutcome,
  type ThingCount,
  TrainingOutcome,
  ValidationOutcome,
  type JobOutcome,
} from './job-outcome.types.js';

const IMPORTED = ['experiments', 'runs', 'loggedModels', 'models', 'modelVersions'] as const;

/** The result of a job as its kind's member of the union; the class tells which. */
export function outcomeOf(of: JobResult): typeof JobOutcome {
  switch (of.kind) {
    case 'TRAINING': {
      const { metrics, rows, warnings = [], ...rest } = of.result;
      const counts = { trainRows: rows.train, validationRows: rows.validation, holdoutRows: rows.holdout };
      return Object.assign(new TrainingOutcome(), rest, counts, { warnings, metrics: namedMetrics(metrics) });
    }
    case 'EVALUATION':
      return Object.assign(new EvaluationOutcome(), of.result, { metrics: namedMetrics(of.result.metrics) });
    case 'VALIDATION':
      return Object.assign(new ValidationOutcome(), of.result);
    case 'BATCH_INFERENCE':
      return Object.assign(new BatchInferenceOutcome(), of.result);
    case 'CONVERSION':
      return Object.assign(new ConversionOutcome(), of.result);
    case 'RELEASE':
      return Object.assign(new ReleaseOutcome(), of.result);
    case 'RUN_ARCHIVE': {
      const { files = [], skipped = null } = of.result;
      return Object.assign(new RunArchiveOutcome(), { paths: files.map(({ path }) => path), skipped });
    }
    case 'GARBAGE_COLLECTION':
      return Object.assign(new GarbageCollectionOutcome(), of.result);
    case 'EXPERIMENT_EXPORT': {
      const { artifactId, sizeBytes, sha256, ...counts } = of.result;
      const file = { artifactId, sizeBytes, sha256, downloadUrl: `/artifacts/${artifactId}` };
      return Object.assign(new ExperimentExportOutcome(), file, { counts: thingCounts(counts) });
    }
    case 'EXPERIMENT_IMPORT': {
      const { experimentId, keptIds, unchanged, ...counts } = of.result;
      return Object.assign(new ExperimentImportOutcome(), {
        experimentId,
        keptIds,
        unchanged,
        counts: thingCounts(counts),
      });
    }
    case 'MLFLOW_IMPORT':
      return Object.assign(new MlflowImportOutcome(), of.result, {
        imported: IMPORTED.map((kind) => ({ kind, ...of.result[kind] })),
      });
  }
}

/** A value that is not finite has no place in the result's JSON, and so is not shown. */
function namedMetrics(metrics: Record<string, number | null>): NamedMetric[] {
  return Object.entries(metrics).flatMap(([name, value]) => (value === null ? [] : [{ name, value }]));
}

function thingCounts(counts: Partial<Record<(typeof LINE_KINDS)[number], number>>): ThingCount[] {
  return LINE_KINDS.flatMap((kind) => (counts[kind] === undefined ? [] : [{ kind, count: counts[kind] }]));
}
