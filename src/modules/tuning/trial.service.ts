import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Actor, Database, Session } from '../../db/database.js';
import type { Study } from '../../db/entities/tuning/study.entity.js';
import type { Trial } from '../../db/entities/tuning/trial.entity.js';
import { badInput, conflict } from '../../errors.js';
import { endUnfinishedRun, type RunService } from '../experiments/index.js';
import { Role } from '../core/index.js';
import { audit } from '../platform/index.js';
import { type Objective, toMinimise } from './rules/objectives.js';
import { checkSpace, type Params, type SearchSpace } from './rules/space.js';
import { type StopRule, whyStopNow } from './rules/stop-rule.js';
import type { TrialRecord } from './rules/study.js';
import {
  curveOfReports,
  reportedBy,
  reportsOf,
  STUDY_RANGES,
  type PrunerConfig,
  type SamplerKind,
} from './rules/study-spec.js';
import { chosenSampler } from './strategy.js';
import type { StudyMemories } from './study-memory.js';
import type { StudyService } from './study.service.js';
import { lockStudy, neglectedStudies } from './stores/studies.js';
import {
  addReports,
  addTrials,
  changeTrialStatus,
  countTrials,
  noteAlive,
  retriedTrials,
  trialsWith,
} from './stores/trials.js';
import { addTrialRun, runsOfTrials } from './stores/trial-runs.js';
import type { TrialEnds } from './trial-ends.js';

export interface CreateStudyInput {
  experimentId: string;
  name: string;
  space: SearchSpace;
  objectives: Objective[];
  sampler: SamplerKind;
  pruner: PrunerConfig;
  prunerMetric: string | null;
  stopRule: StopRule;
  enqueued: Params[];
  warmStartFrom: string[];
  seed: number;
  aliveMs: number;
}

export interface TellInput {
  trialId: string;
  outcome: 'COMPLETE' | 'PRUNED' | 'FAILED';
  values?: number[] | null;
  violations?: number[] | null;
  reason?: string | null;
}

export interface ReportInput {
  trialId: string;
  step: number;
  /** Of one objective. */
  value?: number | null;
  /** Of several ones. */
  values?: number[] | null;
}

/** A trial whose trainer was lost this often fails. */
const MAX_LOST = 3;
/** Studies that one tick looks at. */
const LOOKED_AT_ONCE = 1_000;

/** Studies that an outside trainer drives: it asks for parameters, reports, and tells the result. */
export class TrialService {
  constructor(
    private readonly studies: StudyService,
    private readonly runs: RunService,
    private readonly memory: StudyMemories,
    private readonly ends: TrialEnds,
    private readonly db: Database,
    private readonly logger: Logger,
  ) {}

  /**
   * Takes back the trials of lost trainers, and ends studies whose time is over: nobody may ask any more. Several
   * processes may do this at the same time.
   */
  async tick(): Promise<void> {
    for (const { tenant, id } of await this.db.asSystem((em) => neglectedStudies(em, new Date(), LOOKED_AT_ONCE)))
      await this.db
        .transact(tuningActor(tenant), (session) => this.lookAfter(session, id))
        .catch((error: unknown) => this.logger.error({ err: error, studyId: id }, 'study not looked after'));
  }

  private async lookAfter(session: Session, studyId: string): Promise<void> {
    const study = await lockStudy(session, studyId);
    // An ask or another process may have been faster.
    if (study?.status !== 'RUNNING' || study.spec.training !== null) return;
    const { history } = await this.memory.read(session, study);
    await this.takeBackLost(session, study);
    this.ends.wake(session, study.id);
    await this.endIfDone(session, study, history.trials);
  }

  async createStudy(session: Session, input: CreateStudyInput): Promise<Study> {
    const { space, objectives, sampler, pruner, prunerMetric, seed, aliveMs, ...rest } = input;
    const [first] = objectives;
    if (prunerMetric !== null)
      throw badInput('input.pruner.metric', 'nothing: the reported values are compared', prunerMetric);
    checkSpace(space, 'input.space');
    const study = await this.studies.add(session, {
      ...rest,
      spec: {
        ...{ space, objectives, pruner, seed, aliveMs },
        ...chosenSampler(sampler, space, rest.stopRule.maxTrials),
        curve: first!,
        ...{ repeats: 1, parallelTrials: 1, training: null, backend: null, workers: null },
      },
    });
    audit(session, 'createStudy', { type: 'study', id: study.id }, null, {
      ...{ name: input.name, sampler, pruner: pruner.kind, stopRule: input.stopRule },
    });
    return study;
  }

  /** The next trial; null when the stop rule allows none. The study ends when none runs any more. */
  async ask(session: Session, studyId: string): Promise<{ study: Study; trial: Trial | null }> {
    const study = await this.drivenOutside(session, studyId);
    if (study.status !== 'RUNNING') return { study, trial: null };
    const { history, sampler } = await this.memory.read(session, study);
    await this.takeBackLost(session, study);
    const [retried] = await retriedTrials(session, study.id, 1);
    const queued = retried ?? (await trialsWith(session, study.id, ['QUEUED'], 1))[0];
    const counts = await countTrials(session, study.id);
    const reason = retried ? null : whyStopNow(study, counts.QUEUED, history.trials);
    if (reason !== null) {
      if (counts.RUNNING === 0) await this.endStudy(session, study, reason);
      return { study, trial: null };
    }
    if (queued) await changeTrialStatus(session, queued, 'QUEUED', 'RUNNING', { reason: null });
    const suggested = () => sampler.suggest(history, study.nextNumber);
    const trial = queued ?? (await addTrials(session, study, 'RUNNING', [suggested()]))[0]!;
    await this.startRun(session, study, trial);
    this.ends.wake(session, study.id);
    audit(session, 'askTrial', { type: 'study', id: study.id }, null, { trial: trial.number });
    return { study, trial: await this.fresh(session, trial) };
  }

  /** Adds an intermediate value. Returns why the trial should be stopped; null when it should go on. */
  async report(
    session: Session,
    { trialId, step, value, values: several }: ReportInput,
  ): Promise<{ trial: Trial; reason: string | null }> {
    const { study, trial } = await this.running(session, trialId);
    const { history, pruner } = await this.memory.read(session, study);
    const last = trial.reportSteps.at(-1) ?? -1;
    const isNew = step > last;
    const metrics = reportedBy(study.spec);
    const values = metrics.length > 1 ? several : value == null ? undefined : [value];
    if (values?.length !== metrics.length || (value != null && several != null))
      throw metrics.length > 1
        ? badInput('input.values', `one value per objective (${metrics.length}), and no value`, several ?? value)
        : badInput('input.value', 'one value, and no values', value ?? several);
    if (!isNew && !trial.reportSteps.includes(step))
      throw badInput('input.step', `a step after the last one, ${last}`, step);
    const { max } = STUDY_RANGES.reports;
    if (isNew && trial.reportSteps.length >= max)
      throw badInput(
        'input.step',
        `at most ${max} steps of one trial: report fewer, e.g. every tenth one`,
        `step ${step} after ${trial.reportSteps.length} others`,
      );
    if (isNew) {
      await addReports(session, trial, [{ step, values }]);
      const [run] = await runsOfTrials(session, [trial.id]);
      const named = metrics.map(({ metric }, k) => [metric, values[k]!] as const);
      if (run) await this.runs.logStep(session, run.runId, step, Object.fromEntries(named));
      this.ends.wake(session, study.id);
    } else await noteAlive(session, trial);
    audit(session, 'reportTrial', { type: 'study', id: study.id }, null, { trial: trial.number, step });
    const { number, params } = trial;
    const points = [...reportsOf(trial), ...(isNew ? [{ step, values }] : [])];
    const curve = curveOfReports(study.spec, points);
    const record = { number, state: 'RUNNING' as const, params, curve };
    const others = history.trials.filter((other) => other.number !== number);
    const reason = pruner?.prune({ ...history, trials: [...others, record] }, record) ?? null;
    return { trial: await this.fresh(session, trial), reason };
  }

  /** Ends a trial. The same result again changes nothing; another one is CONFLICT. */
  async tell(session: Session, input: TellInput): Promise<{ study: Study; trial: Trial }> {
    const trial = await this.studies.trial(session, input.trialId);
    const study = await this.drivenOutside(session, trial.studyId);
    await session.em.refresh(trial);
    const { outcome, values = null, violations = null } = input;
    if (trial.status === outcome && JSON.stringify(trial.values ?? null) === JSON.stringify(values))
      return { study, trial };
    requireRunning(trial);
    const { objectives } = study.spec;
    if (outcome === 'COMPLETE' && values?.length !== objectives.length)
      throw badInput('input.values', `one value per objective (${objectives.length})`, values);
    if (outcome !== 'COMPLETE' && values !== null)
      throw badInput('input.values', `nothing with the outcome ${outcome}`, values);
    if (values?.some((value) => !Number.isFinite(value)))
      throw badInput('input.values', 'finite numbers; tell FAILED for a trial that diverged', values.map(String));
    const { history } = await this.memory.read(session, study);
    if (outcome === 'COMPLETE') await this.ends.complete(session, study, trial, { values: values!, violations });
    else await this.ends.end(session, trial, outcome, input.reason ?? `The trainer told ${outcome}.`, violations);
    await this.endRun(session, study, trial, input);
    audit(session, 'tellTrial', { type: 'study', id: study.id }, null, { trial: trial.number, outcome, values });
    await this.endIfDone(session, study, withResult(history.trials, study, trial, input));
    return { study, trial: await this.fresh(session, trial) };
  }

  private async drivenOutside(session: Session, studyId: string): Promise<Study> {
    const study = await this.studies.locked(session, studyId);
    if (study.spec.training === null) return study;
    throw conflict(`Study ${studyId} is driven by its tuning job.`, {
      expected: 'a study of createStudy',
      got: 'a study of startTuning',
    });
  }

  private async running(session: Session, trialId: string): Promise<{ study: Study; trial: Trial }> {
    const trial = await this.studies.trial(session, trialId);
    const study = await this.drivenOutside(session, trial.studyId);
    await session.em.refresh(trial);
    requireRunning(trial);
    return { study, trial };
  }

  private async fresh(session: Session, trial: Trial): Promise<Trial> {
    await session.em.refresh(trial);
    return trial;
  }

  /** Trials whose trainers gave no sign of life for too long wait for another trainer, or fail. */
  private async takeBackLost(session: Session, study: Study): Promise<void> {
    const before = Date.now() - study.spec.aliveMs;
    for (const trial of await trialsWith(session, study.id, ['RUNNING'])) {
      if ((trial.aliveAt?.getTime() ?? 0) > before) continue;
      const failures = trial.failures + 1;
      if (failures < MAX_LOST) {
        const change = { failures, reason: 'Its trainer was lost.', dropsReports: true };
        await changeTrialStatus(session, trial, 'RUNNING', 'QUEUED', change);
        continue;
      }
      await this.ends.end(session, trial, 'FAILED', `Its trainer was lost ${failures} times.`);
      for (const { runId } of await runsOfTrials(session, [trial.id])) {
        await endUnfinishedRun(session, runId, 'FAILED');
        session.touch('run', runId);
      }
    }
  }

  /** A trial that runs again goes on with its run. */
  private async startRun(session: Session, study: Study, trial: Trial): Promise<void> {
    const [known] = await runsOfTrials(session, [trial.id]);
    if (known) return this.runs.setStatus(session, known.runId, { status: 'RUNNING', endedAt: null });
    const run = await this.runs.create(session, {
      experimentId: study.experimentId,
      name: `trial ${trial.number}`,
      parentRunId: study.runId,
      params: Object.entries(trial.params).map(([key, value]) => ({ key, value: String(value) })),
      tags: [
        { key: 'matih.studyId', value: study.id },
        { key: 'matih.trialNumber', value: String(trial.number) },
      ],
    });
    await addTrialRun(session, { trialId: trial.id, repeat: 0, runId: run.id, jobId: null });
  }

  private async endRun(session: Session, study: Study, trial: Trial, { outcome, values }: TellInput): Promise<void> {
    const [run] = await runsOfTrials(session, [trial.id]);
    if (!run) return;
    const step = (trial.reportSteps.at(-1) ?? -1) + 1;
    if (values) {
      const named = study.spec.objectives.map(({ metric }, k) => [metric, values[k]!] as const);
      await this.runs.logStep(session, run.runId, step, Object.fromEntries(named));
    }
    const status = ({ COMPLETE: 'FINISHED', PRUNED: 'KILLED', FAILED: 'FAILED' } as const)[outcome];
    await this.runs.setStatus(session, run.runId, { status, endedAt: new Date() });
    session.touch('run', run.runId);
  }

  /** `trials` are those of the study's memory, with what was changed since. */
  private async endIfDone(session: Session, study: Study, trials: readonly TrialRecord[]): Promise<void> {
    const counts = await countTrials(session, study.id);
    if (counts.QUEUED > 0 && (await retriedTrials(session, study.id, 1)).length > 0) return;
    const reason = counts.RUNNING > 0 ? null : whyStopNow(study, counts.QUEUED, trials);
    if (reason !== null) await this.endStudy(session, study, reason);
  }

  private async endStudy(session: Session, study: Study, reason: string): Promise<void> {
    const counts = await countTrials(session, study.id);
    if (counts.COMPLETE > 0) return this.ends.completeStudy(session, study, reason);
    await this.ends.failStudy(
      session,
      study,
      `${reason} No trial has a result: ${counts.FAILED} failed, ${counts.PRUNED} were pruned.`,
    );
  }
}

/** The trials of a study's memory, in which one has been told its result. */
function withResult(
  trials: readonly TrialRecord[],
  { spec }: Study,
  { number, params }: Trial,
  { values, violations }: TellInput,
): readonly TrialRecord[] {
  if (!values) return trials;
  const least = values.map((value, k) => toMinimise(value, spec.objectives[k]!));
  const told = { number, state: 'COMPLETE' as const, params, values: least, violations: violations ?? [], curve: [] };
  return [...trials.filter((other) => other.number !== number), told];
}

function tuningActor(tenant: string): Actor {
  return {
    principal: { subject: 'tuning', tenant, role: Role.ENGINEER, expiresAt: new Date(Date.now() + 60_000) },
    requestId: randomUUID(),
    isBackground: true,
  };
}

function requireRunning(trial: Trial): void {
  if (trial.status === 'RUNNING') return;
  throw conflict(`Trial ${trial.number} is ${trial.status}.`, {
    expected: 'a trial that is RUNNING',
    got: trial.status,
  });
}
