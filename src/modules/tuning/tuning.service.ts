import type { Job } from '../../db/entities/jobs/job.entity.js';
import type { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Study } from '../../db/entities/tuning/study.entity.js';
import { Trial } from '../../db/entities/tuning/trial.entity.js';
import type { Session } from '../../db/database.js';
import { AppError, badInput, conflict } from '../../errors.js';
import type { Backend, TrainingConfigInput } from '../algorithms/index.js';
import { guessDirection } from '../experiments/index.js';
import type { AttemptOf } from '../jobs/index.js';
import type { ModelVersionService } from '../registry/index.js';
import { defaultObjectives, defaultSpace, metricOfSteps } from './rules/defaults.js';
import { toMinimise, type Objective } from './rules/objectives.js';
import type { ParameterSpace, ParameterValue, Params, SearchSpace } from './rules/space.js';
import { checkSpace } from './rules/space.js';
import { elapsedMsOf, type StopRule, whyStopNow } from './rules/stop-rule.js';
import { STUDY_RANGES, type PrunerConfig, type SamplerKind } from './rules/study-spec.js';
import { configOfTrial } from './rules/trial-config.js';
import { chosenSampler } from './strategy.js';
import type { StudyService } from './study.service.js';
import { bestTrial, changeTrialStatus, countTrials, retriedTrials, trialsWith } from './stores/trials.js';
import { runsOfTrials } from './stores/trial-runs.js';
import { TUNING } from './tuning.job-kind.js';
import { TuningAttempt, type TuningParts } from './tuning-attempt.js';

export interface StartTuningInput {
  experimentId: string;
  datasetId: string;
  name: string;
  config: TrainingConfigInput;
  /** The algorithm's own when absent. */
  space: SearchSpace | null;
  /** The validation loss when absent. */
  objectives: Objective[] | null;
  sampler: SamplerKind;
  pruner: PrunerConfig;
  /** The metric of each epoch that the pruner compares; the first objective or the validation loss when absent. */
  prunerMetric: string | null;
  stopRule: StopRule;
  enqueued: Params[];
  warmStartFrom: string[];
  repeats: number;
  parallelTrials: number;
  seed: number;
  backend?: Backend | null;
  workers?: number | null;
}

/** Tunings: studies whose trials are trainings of this service. */
export class TuningService {
  constructor(
    private readonly studies: StudyService,
    private readonly parts: TuningParts,
    private readonly versions: ModelVersionService,
  ) {}

  /** Call before the transaction that starts a tuning: the errors of trainings that cannot run where they shall. */
  requireBackend({ experimentId, datasetId, config, backend, workers }: StartTuningInput): Promise<void> {
    return this.parts.trainings.requireBackend({ experimentId, datasetId, config, backend, workers });
  }

  /** The same for another tuning like that of this study. */
  async requireBackendOf({ experimentId, spec }: Study): Promise<void> {
    const { training: config, backend, workers } = spec;
    if (config) await this.parts.trainings.requireBackend({ experimentId, datasetId: '', config, backend, workers });
  }

  /** Checks everything that can be known before a trial and queues the tuning. BAD_USER_INPUT names the field. */
  async start(session: Session, input: StartTuningInput): Promise<{ study: Study; job: Job }> {
    const { experimentId, datasetId, name, config, stopRule, enqueued, warmStartFrom } = input;
    checkSeeds(input);
    const check = await this.parts.trainings.checkerFor(session, datasetId);
    check(config);
    const space = input.space ?? defaultSpace(config);
    checkSpace(space, 'input.space');
    checkHyperparameters(config, space, check);
    const objectives = input.objectives ?? defaultObjectives(config);
    const { sampler, pruner, repeats, parallelTrials, seed } = input;
    const study = await this.studies.add(session, {
      ...{ experimentId, datasetId, name, stopRule, enqueued, warmStartFrom },
      spec: {
        ...{ space, objectives, pruner, seed, repeats, parallelTrials },
        ...chosenSampler(sampler, space, stopRule.maxTrials),
        curve: curveOf(objectives, pruner, input.prunerMetric),
        training: config,
        ...{ backend: input.backend ?? null, workers: input.workers ?? null, aliveMs: 0 },
      },
    });
    const job = await this.queue(session, study);
    this.studies.audit(session, 'startTuning', study, null, {
      ...{ name, datasetId, sampler, pruner: pruner.kind, stopRule, jobId: job.id },
    });
    return { study, job };
  }

  /** Starts a study like an earlier one, with its stop rule as it is now, and without its trials. */
  startLike(session: Session, { experimentId, name, spec, stopRule }: Study, datasetId: string) {
    const { training, space, objectives, samplerReason, pruner, curve, repeats, parallelTrials, seed } = spec;
    const sampler = samplerReason === null ? spec.sampler : 'AUTO';
    if (!training)
      throw conflict('An outside trainer drives the study, so that it has no training to start.', {
        ...{ expected: 'a study of trainings', got: 'a study without a configuration' },
      });
    return this.start(session, {
      ...{ experimentId, datasetId, name, stopRule, config: training, enqueued: [], warmStartFrom: [] },
      // With several objectives, a pruner compares all of them.
      prunerMetric: objectives.length > 1 ? null : curve.metric,
      ...{ space, objectives, sampler, pruner, repeats, parallelTrials, seed },
      ...{ backend: spec.backend, workers: spec.workers },
    });
  }

  execute(attempt: AttemptOf<typeof TUNING>): Promise<void> {
    return new TuningAttempt(this.parts, attempt).execute();
  }

  /** More trials or more time. An ended study goes on. */
  async extend(
    session: Session,
    { studyId, moreTrials, moreTimeMs }: { studyId: string; moreTrials?: number | null; moreTimeMs?: number | null },
  ): Promise<Study> {
    if (moreTrials == null && moreTimeMs == null) throw badInput('input', 'moreTrials or moreTimeMs', null);
    const study = await this.studies.locked(session, studyId);
    const before = study.stopRule;
    const { maxTrials, maxDurationMs } = before;
    if (moreTrials != null && maxTrials === null)
      throw badInput('input.moreTrials', 'nothing, as the study has no limit of trials', moreTrials);
    if (moreTimeMs != null && maxDurationMs === null)
      throw badInput('input.moreTimeMs', 'nothing, as the study has no limit of time', moreTimeMs);
    const after: StopRule = {
      ...before,
      ...(moreTrials != null && { maxTrials: maxTrials! + moreTrials }),
      // A study whose time is over gets the time from now on.
      ...(moreTimeMs != null && {
        maxDurationMs: Math.max(maxDurationMs!, elapsedMsOf(study)) + moreTimeMs,
      }),
    };
    study.stopRule = after;
    await this.goOn(session, study);
    this.studies.audit(session, 'extendTuning', study, { stopRule: before }, { stopRule: after });
    return study;
  }

  /** Another stop rule, for the trials from now on. An ended study goes on by it. */
  async changeStopRule(session: Session, studyId: string, stopRule: StopRule): Promise<Study> {
    const study = await this.studies.locked(session, studyId);
    const before = study.stopRule;
    this.studies.checkStopRule(study.spec, stopRule);
    study.stopRule = stopRule;
    await this.goOn(session, study);
    this.studies.audit(session, 'changeStopRule', study, { stopRule: before }, { stopRule });
    return study;
  }

  /** Runs the failed trials again, and those whose training was cancelled, from their last checkpoints. */
  async retryFailed(session: Session, studyId: string): Promise<Study> {
    const study = await this.studies.locked(session, studyId);
    const failed = await trialsWith(session, studyId, ['FAILED', 'CANCELLED']);
    if (failed.length === 0)
      throw conflict('The study has no failed trial.', {
        field: 'input.studyId',
        expected: 'a study with failed trials',
      });
    await this.requeue(session, study, failed);
    await this.goOn(session, study);
    this.studies.audit(session, 'retryFailedTrials', study, null, { trials: failed.map(({ number }) => number) });
    return study;
  }

  /** Ends the study at once, with its running trials. */
  async cancel(session: Session, studyId: string): Promise<Study> {
    const study = await this.studies.get(session, studyId);
    if (study.status !== 'RUNNING')
      throw conflict(`Study ${studyId} is ${study.status}.`, {
        expected: 'a study that is RUNNING',
        got: study.status,
      });
    // Its end of the job changes the study.
    if (study.jobId) await this.parts.jobs.cancel(session, study.jobId);
    const locked = await this.studies.locked(session, studyId);
    if (locked.status === 'RUNNING') await this.parts.ends.cancelStudy(session, locked, 'The study was cancelled.');
    this.parts.ends.wake(session, studyId);
    this.studies.audit(session, 'cancelTuning', locked, { status: 'RUNNING' }, { status: 'CANCELLED' });
    return locked;
  }

  /** Lets a cancelled or failed study go on: its cancelled trials continue from their last checkpoints. */
  async resume(session: Session, studyId: string): Promise<Study> {
    const study = await this.studies.locked(session, studyId);
    const before = study.status;
    if (before !== 'CANCELLED' && before !== 'FAILED')
      throw conflict(`Study ${studyId} is ${before}.`, { expected: 'a cancelled or failed study', got: before });
    await this.requeue(session, study, await trialsWith(session, studyId, ['CANCELLED']));
    await this.goOn(session, study);
    this.studies.audit(session, 'resumeTuning', study, { status: before }, { status: study.status });
    return study;
  }

  /** Registers the model of a trial, the best one when absent, as a new version. */
  async registerBest(
    session: Session,
    {
      studyId,
      trial: number,
      ...input
    }: { studyId: string; trial?: number | null; modelId: string; description?: string | null },
  ): Promise<{ trial: Trial; version: ModelVersion }> {
    const study = await this.studies.get(session, studyId);
    const trial = await this.chosen(session, study, number ?? null);
    const runs = await runsOfTrials(session, [trial.id]);
    const [objective] = study.spec.objectives;
    const loss = ({ values }: (typeof runs)[number]) => (values ? toMinimise(values[0]!, objective!) : Infinity);
    const best = runs.toSorted((a, b) => loss(a) - loss(b) || a.repeat - b.repeat)[0];
    if (!best) throw conflict(`The run of trial ${trial.number} was deleted.`, { expected: 'a trial with a run' });
    const version = await this.versions.registerFromRun(session, { ...input, runId: best.runId });
    this.studies.audit(session, 'registerBestTrial', study, null, { trial: trial.number, modelVersionId: version.id });
    return { trial, version };
  }

  private async chosen(session: Session, study: Study, number: number | null): Promise<Trial> {
    if (number !== null) {
      const trial = await session.em.findOne(Trial, { tenant: session.tenant, studyId: study.id, number });
      if (!trial)
        throw badInput('input.trial', `the number of a trial of the study, below ${study.nextNumber}`, number);
      return trial;
    }
    if (study.spec.objectives.length > 1)
      throw badInput('input.trial', 'the number of a trial, because several objectives have no single best one', null);
    const best = await bestTrial(session, study.id);
    if (!best) throw conflict('The study has no trial with a result.', { expected: 'a study with a complete trial' });
    return best;
  }

  private async requeue(session: Session, { spec }: Study, trials: readonly Trial[]): Promise<void> {
    // A training goes on from its checkpoint; an outside trainer begins anew.
    const change = { failures: 0, dropsReports: spec.training === null };
    for (const trial of trials) await changeTrialStatus(session, trial, trial.status, 'QUEUED', change);
  }

  /**
   * An ended study runs again; a study of trainings gets another job. CONFLICT when nothing is left for it to do under
   * its stop rule.
   */
  private async goOn(session: Session, study: Study): Promise<void> {
    this.parts.ends.wake(session, study.id);
    if (study.status === 'RUNNING') return;
    const { history } = await this.parts.memory.read(session, study);
    await this.parts.ends.reopenStudy(session, study);
    if ((await retriedTrials(session, study.id, 1)).length === 0) {
      const { QUEUED } = await countTrials(session, study.id);
      const reason = whyStopNow(study, QUEUED, history.trials);
      if (reason !== null)
        throw conflict(`Study ${study.id} has nothing left to do: ${reason} changeStopRule gives it another limit.`, {
          ...{ field: 'input.studyId', expected: 'a study whose stop rule allows another trial', got: reason },
        });
    }
    if (study.spec.training) await this.queue(session, study);
    this.studies.announce(session, study);
  }

  private async queue(session: Session, study: Study): Promise<Job> {
    const job = this.parts.jobs.create(session, TUNING, {
      input: { studyId: study.id },
      ...{ runId: study.runId, datasetId: study.datasetId },
      subjects: [{ type: 'study', id: study.id }],
    });
    await session.em.flush();
    study.jobId = job.id;
    return job;
  }
}

/** Tries values of each parameter, so that an unknown or forbidden hyperparameter is refused before any trial. */
function checkHyperparameters(
  config: TrainingConfigInput,
  { parameters }: SearchSpace,
  check: (config: TrainingConfigInput) => void,
): void {
  for (const [i, parameter] of parameters.entries()) {
    const needed = conditionsOf(parameter, parameters);
    for (const value of triedValuesOf(parameter)) {
      try {
        check(configOfTrial(config, { ...needed, [parameter.name]: value }, config.seed ?? 0));
      } catch (error) {
        if (!(error instanceof AppError) || error.details.field === undefined) throw error;
        const { expected = '' } = error.details;
        throw badInput(`input.space.parameters[${i}]`, `${error.details.field}: ${expected}`, {
          [parameter.name]: value,
        });
      }
    }
  }
}

const VALIDATION_LOSS: Objective = { metric: 'validation.loss', direction: 'MINIMIZE' };

/**
 * What pruners compare: the named metric, else the first objective if each epoch or fold logs it, else the validation
 * loss. With several objectives all of them, which each epoch must log.
 */
function curveOf(objectives: readonly Objective[], { kind }: PrunerConfig, metric: string | null): Objective {
  const [first] = objectives;
  if (objectives.length > 1 && kind !== 'NONE') {
    if (metric !== null)
      throw badInput('input.pruner.metric', 'nothing with several objectives: all of them are compared', metric);
    const other = objectives.findIndex((objective) => metricOfSteps(objective) !== objective.metric);
    if (other >= 0)
      throw badInput(
        `input.objectives[${other}].metric`,
        'a metric of each epoch (train.… or validation.…), because the pruner compares it',
        objectives[other]!.metric,
      );
  }
  if (metric !== null && metric !== first?.metric) return { metric, direction: guessDirection(metric) };
  const own = first && metricOfSteps(first);
  return own === undefined ? VALIDATION_LOSS : { ...first!, metric: own };
}

/** Each repeat has the next seed, so the last one must be a seed, too. */
function checkSeeds({ config, seed, repeats }: StartTuningInput): void {
  const most = STUDY_RANGES.seed.max - (repeats - 1);
  const [field, first] = config.seed == null ? ['input.seed', seed] : ['input.config.seed', config.seed];
  if (first > most)
    throw badInput(field, `at most ${most}, because the ${repeats} repeats take as many seeds from there on`, first);
}

/** A share of a range that is whole only in huge ranges. */
const INSIDE = (3 - Math.sqrt(5)) / 2;

/** The choices or the ends, and of a FLOAT a value between them: whole ends say nothing about the others. */
function triedValuesOf(parameter: ParameterSpace): readonly ParameterValue[] {
  if (parameter.kind === 'CATEGORICAL') return parameter.choices;
  const { kind, low, high, step } = parameter;
  return kind === 'INTEGER' ? [low, high] : [low, high, low + (step ?? INSIDE * (high - low))];
}

/** Values under which a parameter is active. */
function conditionsOf({ when }: ParameterSpace, parameters: readonly ParameterSpace[]): Params {
  if (!when) return {};
  const parent = parameters.find(({ name }) => name === when.parameter);
  return { ...(parent && conditionsOf(parent, parameters)), [when.parameter]: when.oneOf[0]! };
}
