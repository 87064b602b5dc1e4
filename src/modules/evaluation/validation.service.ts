import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import type { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import { audit, emitEvent } from '../platform/index.js';
import { gatePolicyOf } from '../model-quality/index.js';
import { decideGate, type GateService, type ModelVersionService } from '../registry/index.js';
import { ensembleHoldoutOf } from '../ensembles/index.js';
import { trainedModelOf } from '../training/index.js';
import type { ModelEvaluator } from '../../adapters/evaluator/port.js';
import type { AttemptOf, JobService } from '../jobs/index.js';
import type { DatasetService } from '../datasets/index.js';
import type { EvaluationService } from './evaluation.service.js';
import { VALIDATION } from './validation.job-kind.js';
import { EVALUATION_EVENTS } from './events.js';

interface Dependencies {
  live: LiveEvents;
  jobs: JobService;
  datasets: DatasetService;
  versions: ModelVersionService;
  evaluations: EvaluationService;
  gates: GateService;
  evaluator: ModelEvaluator;
}

const HOLDOUT_PREFIX = 'holdout.';

/**
 * The validation pipeline: signature, sample predictions, holdout metrics, latency, agreement. Its result is the
 * VALIDATION gate.
 */
export class ValidationService {
  constructor(private readonly deps: Dependencies) {}

  /** `parentId` is the job that requested it, if any. */
  async start(session: Session, modelVersionId: string, parentId?: string): Promise<Job> {
    const version = await this.deps.versions.getReady(session, modelVersionId);
    const { runId } = version;
    const datasetId =
      (await trainedModelOf(session, runId))?.datasetId ??
      (await ensembleHoldoutOf(session, version.id))?.datasetId ??
      (await this.deps.evaluations.latest(session, version.id))?.datasetId ??
      null;
    const job = this.deps.jobs.create(session, VALIDATION, {
      input: {},
      parentId,
      modelVersionId: version.id,
      datasetId,
      runId,
    });
    await session.em.flush();
    audit(session, 'validateModelVersion', { type: 'job', id: job.id }, null, { modelVersionId: version.id });
    return job;
  }

  async execute(attempt: AttemptOf<typeof VALIDATION>): Promise<void> {
    const { versions, datasets, evaluations, evaluator, gates, live } = this.deps;
    const {
      version,
      model: of,
      policy,
      dataset,
      holdoutMetrics,
    } = await attempt.read(async (session) => {
      const found = await versions.getReady(session, attempt.job.modelVersionId ?? '');
      const report = (await evaluations.latest(session, found.id))?.report;
      const model = await session.em.findOneOrFail(Model, { id: found.modelId, tenant: session.tenant });
      return {
        version: found,
        model,
        policy: gatePolicyOf(model),
        dataset: attempt.job.datasetId ? await datasets.get(session, attempt.job.datasetId) : null,
        holdoutMetrics: report
          ? Object.fromEntries(Object.entries(report.metrics).map(([name, { value }]) => [name, value]))
          : holdoutMetricsOf(found),
      };
    });
    attempt.progress(0.1, `Trying version ${version.version} on sample rows`);
    using model = await versions.modelFile(version);
    using data = dataset && (await datasets.localTable(dataset));
    const { signatureProblems, sample, latencyP95Ms } = await evaluator.probe(
      {
        model: { path: model.path, sha256: version.sha256, signature: version.signature },
        data: data?.table ?? null,
      },
      attempt.signal,
    );
    const agreementMaxAbsDiff = version.agreementMaxAbsDiff ?? null;
    const decision = decideGate(
      { gate: 'VALIDATION', signatureProblems, sample, latencyP95Ms, agreementMaxAbsDiff, holdoutMetrics },
      policy,
    );
    const failedChecks = decision.checks.filter(({ passed }) => !passed).map(({ name }) => name);
    // JSON has no infinity. Infinity here means that there was no answer to measure.
    const result = {
      passed: decision.passed,
      failedChecks,
      latencyP95Ms: Number.isFinite(latencyP95Ms) ? latencyP95Ms : null,
      sampleRows: sample.rows,
    };
    await attempt.succeed(result, async (session) => {
      await gates.requireUnchanged(session, version, of);
      gates.record(session, {
        modelVersionId: version.id,
        gate: 'VALIDATION',
        ...decision,
        policy,
        comparedWithId: null,
      });
      emitEvent(session, live, EVALUATION_EVENTS.MODEL_VALIDATED, { type: 'modelVersion', id: version.id }, result, {
        modelId: version.modelId,
      });
    });
  }
}

/** The metrics of the training, when no newer evaluation exists. */
function holdoutMetricsOf({ metrics }: ModelVersion): Record<string, number> {
  return Object.fromEntries(
    Object.entries(metrics).flatMap(([name, value]) =>
      name.startsWith(HOLDOUT_PREFIX) ? [[name.slice(HOLDOUT_PREFIX.length), value]] : [],
    ),
  );
}
