import type { LiveEvents } from '../../adapters/live-events/port.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import {
  nextAction,
  type ReleaseStage,
  type GateService,
  type MissingGate,
  requireReady,
  type Ahead,
  requireProduction,
  type StageService,
} from '../registry/index.js';
import { conflict } from '../../errors.js';
import { type Attempt, type AttemptOf, jobTopic, type JobService } from '../jobs/index.js';
import { requireOwn, audit, lookUntil } from '../platform/index.js';
import type { EvaluationInput, EvaluationService } from './evaluation.service.js';
import { RELEASE } from './release.job-kind.js';
import type { ValidationService } from './validation.service.js';

export interface ReleaseInput {
  modelVersionId: string;
  /** Evaluates on all rows of this dataset, not on the training's holdout. */
  datasetId?: string | null;
  /** The target of an uploaded version, which has no training that says it. */
  target?: EvaluationInput['target'];
  targetStage: ReleaseStage;
  /** For PRODUCTION: the version that is there now; null or absent when there is none. */
  expectedProductionVersionId?: string | null;
}

type ReleaseAttempt = AttemptOf<typeof RELEASE>;
/** The jobs that a release has started. They are stored with the release's job, so that the next attempt knows them. */
type Work = NonNullable<ReleaseAttempt['soFar']>;

interface Dependencies {
  live: LiveEvents;
  jobs: JobService;
  stages: StageService;
  evaluations: EvaluationService;
  validations: ValidationService;
  gates: GateService;
}

/**
 * Moves a version as far towards a stage as its gates allow, by the use cases that a person would call. A step that has
 * succeeded is not repeated, no gate is passed without evidence, and only people approve.
 */
export class ReleaseService {
  constructor(private readonly deps: Dependencies) {}

  /**
   * Queues the release, or returns the one in progress with the same request. Errors: CONFLICT (another release is in
   * progress, another version is in production, the version is not READY), and the errors of an evaluation that cannot
   * be done.
   */
  async start(session: Session, input: ReleaseInput): Promise<Job> {
    await requireOwn(session, ModelVersion, 'model version', [input.expectedProductionVersionId]);
    const ahead = await this.deps.stages.ahead(session, input.modelVersionId, input.targetStage);
    const { id, version, stage } = requireReady(ahead.version);
    if (stage === 'ARCHIVED') {
      throw conflict(`Version ${version} is in ARCHIVED: bring it back first (demoteModelVersion).`, {
        field: 'input.modelVersionId',
        expected: 'a version in DEVELOPMENT, STAGING or PRODUCTION',
        got: stage,
      });
    }
    requireExpected(ahead, input);
    const { datasetId, target } = input;
    if (datasetId != null || target != null || (await this.action(session, ahead, input, {})) === 'EVALUATION')
      await this.deps.evaluations.check(session, { modelVersionId: id, datasetId, target });
    const config = configOf(input);
    const underWay = await session.em.findOne(Job, {
      tenant: session.tenant,
      kind: RELEASE.kind,
      modelVersionId: id,
      status: { $in: ['QUEUED', 'RUNNING'] },
    });
    if (underWay) {
      if (JSON.stringify(this.deps.jobs.inputOf(RELEASE, underWay)) === JSON.stringify(config)) return underWay;
      throw conflict(
        `Another release of version ${version} is under way (job ${underWay.id}): wait for it, or cancel it.`,
        {
          field: 'input.modelVersionId',
          expected: 'a version that is not being released otherwise',
          got: `job ${underWay.id}`,
        },
      );
    }
    const job = this.deps.jobs.create(session, RELEASE, {
      input: config,
      modelVersionId: id,
      datasetId,
    });
    await session.em.flush();
    audit(session, 'releaseModelVersion', { type: 'job', id: job.id }, null, { ...config });
    return job;
  }

  /**
   * Runs one attempt. Each step is one transaction that only this attempt can make. The row names the jobs that were
   * started so far.
   */
  async execute(attempt: ReleaseAttempt): Promise<void> {
    const { input } = attempt;
    const work: Work = { ...attempt.soFar };
    for (;;) {
      for (const jobId of [work.evaluationJobId, work.validationJobId]) {
        const problem = jobId === undefined ? null : await this.endOf(attempt, jobId);
        if (problem) return this.end(attempt, input, work, problem);
      }
      const step = await attempt.write((session) => this.step(session, attempt, input, work));
      if (step === 'STOP') return this.end(attempt, input, work, null);
    }
  }

  /** Makes one step: promotes the version, or starts a job and records it, or ends the release. */
  private async step(
    session: Session,
    attempt: ReleaseAttempt,
    input: ReleaseInput,
    work: Work,
  ): Promise<'GO_ON' | 'STOP'> {
    const { stages, evaluations, validations } = this.deps;
    const ahead = await stages.ahead(session, input.modelVersionId, input.targetStage);
    if (ahead.to === null) return 'STOP';
    requireExpected(ahead, input);
    const { modelVersionId, datasetId, target } = input;
    const action = await this.action(session, ahead, input, work);
    switch (action) {
      case 'EVALUATION': {
        const job = await evaluations.start(session, { modelVersionId, datasetId, target }, attempt.job.id);
        work.evaluationJobId = job.id;
        attempt.progress(0.2, `Evaluating version ${ahead.version.version} (job ${job.id})`);
        break;
      }
      case 'VALIDATION': {
        const job = await validations.start(session, modelVersionId, attempt.job.id);
        work.validationJobId = job.id;
        attempt.progress(0.5, `Validating version ${ahead.version.version} (job ${job.id})`);
        break;
      }
      case 'PROMOTE': {
        const { expectedProductionVersionId } = input;
        await stages.promote(session, {
          modelVersionId,
          toStage: ahead.to,
          expectedProductionVersionId,
          reason: `Release ${attempt.job.id}`,
        });
        attempt.progress(0.8, `Version ${ahead.version.version} is in ${ahead.to}`);
        break;
      }
      case 'STOP':
        return 'STOP';
    }
    await attempt.keep(session, work);
    return 'GO_ON';
  }

  private async action(
    session: Session,
    ahead: Ahead,
    input: ReleaseInput,
    work: Work,
  ): Promise<ReturnType<typeof nextAction>> {
    const { version, production, policy } = ahead;
    const evaluation = await this.deps.gates.newestEvaluation(session, ahead);
    const isMeasured = evaluation !== null || Object.keys(version.metrics).length > 0;
    return nextAction({
      needed: ahead.needed,
      missing: ahead.missing.map(({ gate }) => gate),
      done: new Set([
        ...(work.evaluationJobId ? (['EVALUATION'] as const) : []),
        ...(work.validationJobId ? (['VALIDATION'] as const) : []),
      ]),
      isEvaluated: evaluation !== null && (input.datasetId == null || evaluation.datasetId === input.datasetId),
      isCompared: production === null || evaluation?.baselineVersionId === production.id,
      needsMetrics: policy.validation.requireHoldoutMetrics && !isMeasured,
    });
  }

  /** Waits for a job of the release. Null when the job was successful, otherwise the gate that stops the version. */
  private async endOf(attempt: Attempt, jobId: string): Promise<MissingGate | null> {
    const { live, jobs } = this.deps;
    await lookUntil(
      live,
      jobTopic(jobId),
      () => attempt.read((session) => jobs.hasEnded(session, jobId)),
      Boolean,
      attempt.signal,
    );
    attempt.signal.throwIfAborted();
    const { kind, status, errorMessage } = await attempt.read((session) => jobs.get(session, jobId));
    if (status === 'SUCCEEDED') return null;
    return {
      gate: kind === 'EVALUATION' ? 'EVALUATION' : 'VALIDATION',
      problem:
        status === 'CANCELLED'
          ? `was cancelled (job ${jobId})`
          : `could not be decided (job ${jobId}): ${errorMessage ?? ''}`,
      next: `releaseModelVersion once more, when the cause is mended`,
    };
  }

  private async end(
    attempt: ReleaseAttempt,
    input: ReleaseInput,
    work: Work,
    problem: MissingGate | null,
  ): Promise<void> {
    const { modelVersionId, targetStage } = input;
    const { version, to, missing } = await attempt.read((session) =>
      this.deps.stages.ahead(session, modelVersionId, targetStage),
    );
    const firstMissing = to === null ? null : (problem ?? missing[0] ?? null);
    await attempt.succeed({ targetStage, stage: version.stage, reached: to === null, firstMissing, ...work });
  }
}

function requireExpected(
  { version, production, to }: Ahead,
  { targetStage, expectedProductionVersionId }: ReleaseInput,
): void {
  if (to !== null && targetStage === 'PRODUCTION' && production?.id !== version.id)
    requireProduction(production, expectedProductionVersionId ?? null);
}

/** The request with every absent field set to null, so that two requests can be compared. */
function configOf({
  modelVersionId,
  datasetId,
  target,
  targetStage,
  expectedProductionVersionId,
}: ReleaseInput): ReleaseAttempt['input'] {
  return {
    modelVersionId,
    datasetId: datasetId ?? null,
    target: target == null ? null : { column: target.column, greaterThan: target.greaterThan ?? null },
    targetStage,
    expectedProductionVersionId: expectedProductionVersionId ?? null,
  };
}
