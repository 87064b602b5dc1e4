import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import { Dataset } from '../../db/entities/datasets/dataset.entity.js';
import { Evaluation } from '../../db/entities/evaluation/evaluation.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion, type OnnxVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import type { Session } from '../../db/database.js';
import { neededColumns, requireMapped, type Signature } from '../model-contract/index.js';
import { type EvaluationReport, gatePolicyOf, renderEvaluationMarkdown } from '../model-quality/index.js';
import { audit, emitEvent } from '../platform/index.js';
import { decideGate, type GateService, type ModelVersionService, siblingKey } from '../registry/index.js';
import { ensembleHoldoutOf } from '../ensembles/index.js';
import { trainedModelOf } from '../training/index.js';
import type { Task } from '../algorithms/index.js';
import { type AppError, badInput, conflict, notFound } from '../../errors.js';
import type { EvaluationData, ModelEvaluator, ModelFile, TargetColumn } from '../../adapters/evaluator/port.js';
import type { AttemptOf, JobService } from '../jobs/index.js';
import type { StagedObjects } from '../uploads/index.js';
import type { ArtifactService } from '../artifacts/index.js';
import { EVALUATION } from './evaluation.job-kind.js';
import type { DatasetService } from '../datasets/index.js';
import { EVALUATION_EVENTS } from './events.js';

export interface EvaluationInput {
  modelVersionId: string;
  /** Measures on all rows of this dataset, not on the training's holdout. */
  datasetId?: string | null;
  /**
   * When absent: the version in production. When none is in production, the version is compared with the base rate
   * only.
   */
  baselineVersionId?: string | null;
  /** The target of an uploaded version, which has no training that says it. */
  target?: { column: string; greaterThan?: number | null } | null;
}

type EvaluationConfig = AttemptOf<typeof EVALUATION>['input'];

interface Dependencies {
  live: LiveEvents;
  jobs: JobService;
  objects: ObjectStore;
  staged: StagedObjects;
  artifacts: ArtifactService;
  datasets: DatasetService;
  versions: ModelVersionService;
  gates: GateService;
  evaluator: ModelEvaluator;
}

/** A request for an evaluation, checked. */
interface Prepared {
  version: OnnxVersion;
  datasetId: string;
  target: TargetColumn | null;
  baseline: ModelVersion | null;
}

/** All that an attempt needs. Read in one transaction. */
interface Plan {
  version: OnnxVersion;
  model: Model;
  baseline: OnnxVersion | null;
  /** The dataset whose rows test the model. */
  dataset: Dataset;
  trainingDataset: Dataset | null;
  training: Held | null;
}

/** The training whose holdout judges a version: its own, or that of an ensemble's members. */
type Held = Pick<NonNullable<Awaited<ReturnType<typeof trainedModelOf>>>, 'datasetId' | 'config'> & {
  /** The model before it was trained again on all rows. */
  judged?: { key: string; sha256: string; signature: Signature } | undefined;
  /** An ensemble has learnt from one half of the holdout; the other judges it. */
  learntFromHalf?: boolean;
};

/**
 * Measures a version on rows that it was not trained on, and compares it with the version in production. The result is
 * the EVALUATION gate.
 */
export class EvaluationService {
  constructor(private readonly deps: Dependencies) {}

  /** Checks, as far as possible in advance, that the evaluation can be done. Errors are those of `start`. */
  async check(session: Session, input: EvaluationInput): Promise<void> {
    await this.prepare(session, input);
  }

  /** `parentId` is the job that requested it, if any. */
  async start(session: Session, input: EvaluationInput, parentId?: string): Promise<Job> {
    const { version, datasetId, target, baseline } = await this.prepare(session, input);
    const baselineVersionId = baseline?.id ?? null;
    const job = this.deps.jobs.create(session, EVALUATION, {
      parentId,
      input: { baselineVersionId, baselineRequired: input.baselineVersionId != null, target },
      modelVersionId: version.id,
      datasetId,
      runId: version.runId,
    });
    await session.em.flush();
    audit(session, 'evaluateModelVersion', { type: 'job', id: job.id }, null, {
      modelVersionId: version.id,
      datasetId,
      baselineVersionId,
    });
    return job;
  }

  private async prepare(session: Session, input: EvaluationInput): Promise<Prepared> {
    const { versions, datasets } = this.deps;
    const version = await versions.getReady(session, input.modelVersionId);
    const training = await heldOf(session, version);
    const target = await this.checkedTarget(session, version, input, training !== null);
    const datasetId = input.datasetId ?? training?.datasetId;
    if (!datasetId) throw badInput('input.datasetId', 'a dataset, as the version was uploaded', input.datasetId);
    requireColumns(await datasets.get(session, datasetId), version, target);
    return { version, datasetId, target, baseline: await this.baselineFor(session, version, input.baselineVersionId) };
  }

  /** Runs one attempt. The evaluation has the id of the job, so that it exists once, also after many attempts. */
  async execute(attempt: AttemptOf<typeof EVALUATION>): Promise<void> {
    const { objects, staged, evaluator } = this.deps;
    const config = attempt.input;
    const plan = await attempt.read((session) => this.plan(session, attempt.job, config));
    using held = new DisposableStack();
    attempt.progress(0.1, `Measuring version ${plan.version.version} on ${plan.dataset.name}`);
    const { report, baselineProblem, reference } = await evaluator.evaluate(
      {
        candidate: await this.candidateOf(plan, held),
        baseline: plan.baseline && { ...(await this.fileOf(plan.baseline, held)), versionId: plan.baseline.id },
        data: await this.dataOf(plan, config, held),
      },
      attempt.signal,
    );
    if (baselineProblem !== null && config.baselineRequired)
      throw badInput('input.baselineVersionId', 'a version that can answer for the same rows', baselineProblem);
    attempt.progress(0.9, 'Writing the report');
    const path = `evaluations/${attempt.job.id}.md`;
    const markdownKey = siblingKey(plan.version, path);
    await attempt.write((session) => staged.stage(session, markdownKey));
    const stored = await objects.put(markdownKey, Buffer.from(this.markdown(plan, report, attempt.job.createdAt)));
    const policy = gatePolicyOf(plan.model);
    const decision = decideGate({ gate: 'EVALUATION', report }, policy);
    const metrics = Object.fromEntries(Object.entries(report.metrics).map(([name, { value }]) => [name, value]));
    const result = {
      evaluationId: attempt.job.id,
      passed: decision.passed,
      rows: report.rows,
      metrics,
      baselineVersionId: config.baselineVersionId,
      baselineProblem,
    };
    await attempt.succeed(result, async (session) => {
      const { version, dataset } = plan;
      await this.deps.gates.requireUnchanged(session, version, plan.model);
      if (reference)
        await session.em.nativeUpdate(ModelVersion, { id: version.id, tenant: session.tenant }, { reference });
      await this.deps.artifacts.record(session, { modelVersionId: version.id }, path, markdownKey, stored);
      session.em.create(Evaluation, {
        id: attempt.job.id,
        tenant: session.tenant,
        modelVersionId: version.id,
        baselineVersionId: comparedWith(report),
        datasetId: dataset.id,
        report,
        markdownKey,
        createdBy: session.principal.subject,
      });
      const comparedWithId = comparedWith(report);
      this.deps.gates.record(session, {
        modelVersionId: version.id,
        gate: 'EVALUATION',
        ...decision,
        policy,
        comparedWithId,
      });
      const payload = { evaluationId: attempt.job.id, passed: decision.passed, metrics };
      emitEvent(
        session,
        this.deps.live,
        EVALUATION_EVENTS.MODEL_EVALUATED,
        { type: 'modelVersion', id: version.id },
        payload,
        {
          modelId: version.modelId,
        },
      );
    });
  }

  async get(session: Session, id: string): Promise<Evaluation> {
    const evaluation = await session.em.findOne(Evaluation, { id, tenant: session.tenant });
    if (!evaluation) throw notFound('evaluation', id);
    return evaluation;
  }

  /** The newest report of a version; null when it was never evaluated. */
  async latest(session: Session, modelVersionId: string): Promise<Evaluation | null> {
    return session.em.findOne(
      Evaluation,
      { tenant: session.tenant, modelVersionId },
      { orderBy: { createdAt: 'DESC', id: 'DESC' } },
    );
  }

  private async checkedTarget(
    session: Session,
    version: ModelVersion,
    input: EvaluationInput,
    isTrained: boolean,
  ): Promise<TargetColumn | null> {
    if (isTrained) {
      if (input.target)
        throw badInput(
          'input.target',
          'no target, because the training of the version defines it',
          input.target.column,
        );
      return null;
    }
    const model = await session.em.findOneOrFail(Model, { id: version.modelId, tenant: session.tenant });
    if (model.task !== 'CLASSIFICATION' && model.task !== 'REGRESSION') throw notEvaluable(model);
    if (!input.target) throw badInput('input.target', 'the target column, as the version was uploaded', input.target);
    return {
      column: input.target.column,
      ...(input.target.greaterThan != null && { greaterThan: input.target.greaterThan }),
    };
  }

  private async baselineFor(
    session: Session,
    version: ModelVersion,
    asked: string | null | undefined,
  ): Promise<ModelVersion | null> {
    if (asked == null) {
      const production = await session.em.findOne(ModelVersion, {
        tenant: session.tenant,
        modelId: version.modelId,
        stage: 'PRODUCTION',
      });
      return production?.id === version.id ? null : production;
    }
    const baseline = await this.deps.versions.getReady(session, asked);
    if (baseline.modelId !== version.modelId || baseline.id === version.id) {
      throw badInput('input.baselineVersionId', 'another version of the same model', asked);
    }
    return baseline;
  }

  private async plan(session: Session, job: Job, { baselineVersionId }: EvaluationConfig): Promise<Plan> {
    const { versions, datasets } = this.deps;
    const version = await versions.getReady(session, job.modelVersionId ?? '');
    const training = await heldOf(session, version);
    return {
      version,
      training,
      model: await session.em.findOneOrFail(Model, { id: version.modelId, tenant: session.tenant }),
      baseline: baselineVersionId === null ? null : await versions.getReady(session, baselineVersionId),
      dataset: await datasets.get(session, job.datasetId ?? ''),
      trainingDataset: training && (await datasets.get(session, training.datasetId)),
    };
  }

  private async dataOf(
    { training, trainingDataset, dataset, model }: Plan,
    { target }: EvaluationConfig,
    held: DisposableStack,
  ): Promise<EvaluationData> {
    const fileOf = async (of: Dataset) => held.use(await this.deps.datasets.localTable(of)).table;
    if (!training || !trainingDataset) {
      if (!target) throw badInput('input.target', 'the target column, as the version was uploaded', target);
      return { kind: 'ALL', task: model.task as Task, target, file: await fileOf(dataset) };
    }
    return {
      kind: 'HOLDOUT',
      config: training.config,
      learntFromHalf: training.learntFromHalf ?? false,
      training: await fileOf(trainingDataset),
      other: dataset.id === trainingDataset.id ? null : await fileOf(dataset),
    };
  }

  /**
   * A model that was trained again on all rows has seen its holdout rows. In this case the model before that training
   * is evaluated.
   */
  private async candidateOf({ version, training, dataset }: Plan, held: DisposableStack): Promise<ModelFile> {
    const earlier = modelBeforeRefit(training, dataset);
    if (!earlier) return this.fileOf(version, held);
    const { path } = held.use(await this.deps.objects.localFile(earlier.key));
    return { path, sha256: earlier.sha256, signature: earlier.signature };
  }

  private async fileOf(version: OnnxVersion, held: DisposableStack): Promise<ModelFile> {
    return {
      path: held.use(await this.deps.versions.modelFile(version)).path,
      sha256: version.sha256,
      signature: version.signature,
    };
  }

  /** The text is the same for every attempt, because an attempt that was considered dead may store it again. */
  private markdown(
    { version, model, baseline, dataset, training }: Plan,
    report: EvaluationReport,
    createdAt: Date,
  ): string {
    const named = (of: ModelVersion): string => `${of.version} (${of.semanticVersion})`;
    return renderEvaluationMarkdown(report, {
      modelName: model.name,
      version: named(version),
      datasetName: `${dataset.name}, version ${dataset.version}`,
      createdAt,
      refitted: modelBeforeRefit(training, dataset) !== undefined,
      baselineVersion: baseline && comparedWith(report) ? named(baseline) : null,
    });
  }
}

async function heldOf(session: Session, { id, runId }: ModelVersion): Promise<Held | null> {
  const training = await trainedModelOf(session, runId);
  if (!training) return ensembleHoldoutOf(session, id);
  const { datasetId, config, files } = training;
  return { datasetId, config, judged: files.judged };
}

function modelBeforeRefit(training: Plan['training'], dataset: Dataset) {
  return training?.datasetId === dataset.id ? training.judged : undefined;
}

/** The error for a model that cannot be measured against a target. It says what to do instead. */
function notEvaluable({ id, name, task }: Model): AppError {
  const policy = `{production: {firstGates: [VALIDATION]}, validation: {requireHoldoutMetrics: false}}`;
  const without = `let its gates ask for no evaluation: setGatePolicy(input: {modelId: "${id}", policy: ${policy}})`;
  const next =
    task === 'OTHER'
      ? `Say what its answers are: updateModel(input: {id: "${id}", task: CLASSIFICATION}), or REGRESSION; ` +
        `if they are neither, ${without}`
      : `Clusters have no target: ${without}`;
  return conflict(
    `Model "${name}" is for ${task}, and only CLASSIFICATION and REGRESSION are judged on a dataset of their ` +
      `own. ${next}.`,
    {
      field: 'input.modelVersionId',
      expected: 'a CLASSIFICATION or REGRESSION model, or a version from a run',
      got: task,
      next,
    },
  );
}

function comparedWith(report: EvaluationReport): string | null {
  return report.task === 'CLUSTERING' ? null : (report.baseline?.versionId ?? null);
}

/** Checks before the job that the dataset has the inputs and the target of the model. */
function requireColumns(dataset: Dataset, { id, signature }: OnnxVersion, target: TargetColumn | null): void {
  const names = dataset.columns.map(({ name }) => name);
  const shown = names.slice(0, 20).join(', ');
  if (target && !names.includes(target.column))
    throw badInput('input.target.column', `a column of ${dataset.name} (${shown})`, target.column);
  requireMapped(signature, { versionId: id, candidates: names.filter((name) => name !== target?.column) });
  const missing = neededColumns(signature).find((name) => !names.includes(name));
  if (missing !== undefined)
    throw badInput('input.datasetId', `a dataset with the model's input ${missing}`, `${dataset.name} (${shown})`);
}
