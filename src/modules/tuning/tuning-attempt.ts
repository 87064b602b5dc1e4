import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Session } from '../../db/database.js';
import type { Study } from '../../db/entities/tuning/study.entity.js';
import type { Trial } from '../../db/entities/tuning/trial.entity.js';
import { AppError, conflict, ErrorCode, notFound } from '../../errors.js';
import type { RunService } from '../experiments/index.js';
import { type AttemptOf, jobTopic, type JobService } from '../jobs/index.js';
import { metricsTopic } from '../platform/index.js';
import { TRAINING, type TrainingService } from '../training/index.js';
import { metricsOfFolds } from './rules/defaults.js';
import { meanOf } from './rules/objectives.js';
import { elapsedMsOf, whyStopNow } from './rules/stop-rule.js';
import type { CurvePoint, StudyHistory, TrialRecord } from './rules/study.js';
import { curveOfReports, reportedBy, reportsOf } from './rules/study-spec.js';
import type { TrialStatus } from './rules/study-status.js';
import { configOfTrial } from './rules/trial-config.js';
import {
  bestTrial,
  addReports,
  addTrials,
  changeTrialStatus,
  countTrials,
  retriedTrials,
  trialsWith,
} from './stores/trials.js';
import { lockStudy } from './stores/studies.js';
import { addTrialRun, noteRead, runsOfTrials, type TrialRunRow } from './stores/trial-runs.js';
import type { StudyMemories, StudyMemory } from './study-memory.js';
import { type TrialEnds, studyTopic } from './trial-ends.js';
import type { TUNING } from './tuning.job-kind.js';

export interface TuningParts {
  live: LiveEvents;
  jobs: JobService;
  runs: RunService;
  trainings: TrainingService;
  memory: StudyMemories;
  ends: TrialEnds;
}

type JobState = Awaited<ReturnType<JobService['statesOf']>>[number];

const POINTS_AT_ONCE = 1_000;
/** The longest delay until a lost wake-up is noticed, and until the time of a study is seen to be over. */
const LOOK_AGAIN_MS = 1_000;
/** A study whose newest trials all failed does not spend the rest of its budget. */
const FAILURES_IN_A_ROW = 10;
export const PRUNED_TAG = 'matih.pruned';

/** One attempt of a tuning: it begins trials as trainings, watches them, stops hopeless ones, and ends the study. */
export class TuningAttempt {
  private readonly wakeUps: WakeUps;
  private readonly studyId: string;
  /** Why an objective can never be measured, once a training has shown it. */
  private unknownMetric: string | null = null;
  /** The progress that was reported last, and the state of the study then. */
  private reported = { state: '', message: '' };
  /** The state of the study at the end of the last round. */
  private seen = '';

  constructor(
    private readonly parts: TuningParts,
    private readonly attempt: AttemptOf<typeof TUNING>,
  ) {
    this.studyId = attempt.input.studyId;
    this.wakeUps = new WakeUps(parts.live, attempt.signal);
  }

  async execute(): Promise<void> {
    const { attempt, wakeUps } = this;
    try {
      for (;;) {
        await attempt.write((session) => this.settle(session));
        if (this.unknownMetric !== null)
          throw new AppError(ErrorCode.BAD_USER_INPUT, this.unknownMetric, { field: 'input.objectives' });
        const { topics, end } = await attempt.write((session) => this.begin(session));
        if (end !== null && (await this.finish(end))) return;
        wakeUps.follow([studyTopic(this.studyId), ...topics]);
        await wakeUps.next();
        attempt.signal.throwIfAborted();
      }
    } finally {
      wakeUps.close();
    }
  }

  private async locked(session: Session): Promise<Study> {
    const study = await lockStudy(session, this.studyId);
    if (!study) throw notFound('study', this.studyId);
    return study;
  }

  /** Takes in what running trials have logged, ends those whose trainings have ended, and prunes. */
  private async settle(session: Session): Promise<void> {
    const study = await this.locked(session);
    const memory = await this.parts.memory.read(session, study);
    const running = await trialsWith(session, study.id, ['RUNNING']);
    const all = await runsOfTrials(session, running.map(idOf));
    const runs = Map.groupBy(all, ({ trialId }) => trialId);
    const states = await this.statesOf(session, all);
    for (const trial of running)
      await this.settleTrial(session, study, memory, trial, runs.get(trial.id) ?? [], states);
  }

  /** The states of the trainings, by their ids. */
  private async statesOf(session: Session, runs: readonly TrialRunRow[]): Promise<Map<string, JobState>> {
    const jobIds = runs.flatMap(({ jobId }) => jobId ?? []);
    return new Map((await this.parts.jobs.statesOf(session, jobIds)).map((state) => [state.id, state]));
  }

  private async settleTrial(
    session: Session,
    study: Study,
    memory: StudyMemory,
    trial: Trial,
    runs: TrialRunRow[],
    states: ReadonlyMap<string, JobState>,
  ): Promise<void> {
    const { ends } = this.parts;
    const [first] = runs;
    const points = first ? await this.newPoints(session, study, trial, first) : [];
    if (points.length > 0) {
      await addReports(session, trial, points);
      ends.wake(session, study.id);
    }
    const jobs = runs.map(({ jobId }) => states.get(jobId ?? ''));
    if (jobs.length === 0 || jobs.some((job) => !job)) {
      await this.stopTrial(session, trial, 'FAILED', 'A run of the trial was deleted.', runs, states);
      return;
    }
    const failed = jobs.find((job) => job?.status === 'FAILED');
    if (failed) {
      await this.stopTrial(session, trial, 'FAILED', failed.errorMessage ?? 'Its training failed.', runs, states);
      return;
    }
    if (jobs.some((job) => job?.status === 'CANCELLED')) {
      await this.stopTrial(session, trial, 'CANCELLED', 'Its training was cancelled.', runs, states);
      return;
    }
    if (jobs.every((job) => job?.status === 'SUCCEEDED')) return this.complete(session, study, trial, runs);
    const reason = whyPrune(study, memory, trial, points);
    if (reason === undefined) return;
    // A repeat that has ended before was not pruned.
    for (const { runId } of await this.stopTrial(session, trial, 'PRUNED', reason, runs, states))
      await this.parts.runs.setTags(session, runId, [{ key: PRUNED_TAG, value: reason.slice(0, 5_000) }]);
  }

  /** Intermediate values that the first training of the trial has logged since the last look. */
  private async newPoints(session: Session, study: Study, trial: Trial, run: TrialRunRow): Promise<CurvePoint[]> {
    const metrics = reportedBy(study.spec).map(({ metric }) => metric);
    const found = new Map<number, Map<string, number>>();
    const lastStep = trial.reportSteps.at(-1) ?? -1;
    let seq = run.metricSeq;
    for (;;) {
      const rows = await this.parts.runs.metricsAfter(session, run.runId, seq, POINTS_AT_ONCE);
      for (const { key, step, value } of rows) {
        if (!metrics.includes(key) || step <= lastStep) continue;
        const atStep = found.get(step) ?? new Map<string, number>();
        if (!atStep.has(key)) found.set(step, atStep.set(key, value));
      }
      seq = rows.at(-1)?.seq ?? seq;
      if (rows.length < POINTS_AT_ONCE) break;
    }
    if (seq > run.metricSeq) await noteRead(session, run, { metricSeq: seq });
    return [...found]
      .filter(([, values]) => values.size === metrics.length)
      .map(([step, values]) => ({ step, values: metrics.map((metric) => values.get(metric)!) }))
      .sort((a, b) => a.step - b.step);
  }

  /**
   * Ends a trial and the trainings that still run for it. Returns the runs of these trainings. Without any, a trial to
   * be pruned goes on: it has a result, which the next look takes in.
   */
  private async stopTrial(
    session: Session,
    trial: Trial,
    status: 'PRUNED' | 'FAILED' | 'CANCELLED',
    reason: string,
    runs: readonly TrialRunRow[],
    states: ReadonlyMap<string, JobState>,
  ): Promise<TrialRunRow[]> {
    const cancelled: TrialRunRow[] = [];
    for (const run of runs) {
      const state = states.get(run.jobId ?? '');
      if (state?.status !== 'QUEUED' && state?.status !== 'RUNNING') continue;
      if (await this.parts.jobs.cancelUnlessEnded(session, state.id)) cancelled.push(run);
    }
    if (status !== 'PRUNED' || cancelled.length > 0) await this.parts.ends.end(session, trial, status, reason);
    return cancelled;
  }

  private async complete(session: Session, study: Study, trial: Trial, runs: readonly TrialRunRow[]): Promise<void> {
    const { ends } = this.parts;
    const all: number[][] = [];
    for (const run of runs) {
      const measured = await this.measure(session, study, run);
      if ('problem' in measured) {
        await ends.end(session, trial, 'FAILED', measured.problem);
        return;
      }
      await noteRead(session, run, { values: measured.values });
      all.push(measured.values);
    }
    const means = study.spec.objectives.map((_, k) => meanOf(all.map((values) => values[k]!)));
    const values = means.map(({ mean }) => mean);
    const errors = means.flatMap(({ standardError }) => standardError ?? []);
    await ends.complete(session, study, trial, {
      values,
      standardErrors: errors.length === values.length ? errors : null,
    });
    // A tuning of days meets more outages than it has attempts.
    await this.attempt.forgiveFailures(session);
  }

  /**
   * The values of the objectives: final metrics of the model, or means over its folds; for a metric that only the
   * epochs have, its value at the epoch whose weights were kept.
   */
  private async measure(
    session: Session,
    { spec: { objectives } }: Study,
    { runId, jobId }: TrialRunRow,
  ): Promise<{ values: number[] } | { problem: string }> {
    const { metrics, bestEpoch, crossValidation } = await this.parts.jobs.resultOf(session, TRAINING, jobId!);
    const history = await this.parts.runs.stepHistory(session, runId);
    const logged = {
      ...history.findLast(({ step }) => step <= bestEpoch)?.metrics,
      ...metrics,
      ...(crossValidation && metricsOfFolds(crossValidation.folds)),
    };
    const values: number[] = [];
    for (const { metric } of objectives) {
      const value = logged[metric];
      if (value === undefined) {
        const problem = `Its training does not log ${metric}; it logs ${Object.keys(logged).sort().join(', ')}.`;
        // Every other trial of the same algorithm would miss it, too.
        if ((await countTrials(session, this.studyId)).COMPLETE === 0) this.unknownMetric = problem;
        return { problem };
      }
      if (value === null || !Number.isFinite(value)) return { problem: `Its ${metric} is not a finite number.` };
      values.push(value);
    }
    return { values };
  }

  /** Begins trials while the stop rule and the number of parallel trials allow it. */
  private async begin(session: Session): Promise<{ topics: string[]; end: string | null }> {
    const study = await this.locked(session);
    const { history, sampler } = await this.parts.memory.read(session, study);
    const running = await trialsWith(session, study.id, ['RUNNING']);
    const { parallelTrials } = study.spec;
    const retried = await retriedTrials(session, study.id, parallelTrials);
    const queued = await trialsWith(session, study.id, ['QUEUED'], parallelTrials);
    // Older trials that still run keep their chance.
    const hopeless = isHopeless(history);
    if (hopeless && running.length === 0)
      throw conflict(
        `The newest ${FAILURES_IN_A_ROW} trials all failed, so no further one began. retryFailedTrials runs them again.`,
        { expected: 'a trial with a result', got: `${FAILURES_IN_A_ROW} failed trials` },
      );
    let queuedCount = (await countTrials(session, study.id)).QUEUED;
    const records = [...history.trials];
    const begun = new Set<string>();
    let end: string | null = null;
    // A trial that fails at once makes room for another one, but not without end.
    for (let tries = hopeless ? 0 : 2 * parallelTrials; tries > 0 && running.length < parallelTrials; tries--) {
      const again = retried.shift();
      end = again ? null : whyStopNow(study, queuedCount, records);
      const waiting = again ?? queued.find(({ id }) => !begun.has(id));
      if (waiting) begun.add(waiting.id);
      if (end !== null || (!waiting && queuedCount > 0)) break;
      if (waiting) queuedCount--;
      const params = waiting?.params ?? sampler.suggest({ ...history, trials: records }, study.nextNumber);
      if (waiting) await changeTrialStatus(session, waiting, 'QUEUED', 'RUNNING', { reason: null });
      const trial = waiting ?? (await addTrials(session, study, 'RUNNING', [params]))[0]!;
      if (!(await this.startTrainings(session, study, trial))) continue;
      running.push(trial);
      records.push({ number: trial.number, state: 'RUNNING', params, curve: [] });
    }
    if (records.length > history.trials.length) this.parts.ends.wake(session, study.id);
    await this.report(session, study);
    if (running.length === 0) {
      this.seen = stateOf(await this.locked(session));
      return { topics: [], end };
    }
    const runs = await runsOfTrials(session, running.map(idOf));
    const topics = runs.flatMap(({ jobId, runId }) => [metricsTopic(runId), ...(jobId ? [jobTopic(jobId)] : [])]);
    return { topics, end: null };
  }

  /** Starts or continues the trainings of a trial. False when it failed at once. */
  private async startTrainings(session: Session, study: Study, trial: Trial): Promise<boolean> {
    const { trainings } = this.parts;
    const { spec } = study;
    const known = await runsOfTrials(session, [trial.id]);
    const states = await this.statesOf(session, known);
    const runs = new Map(known.map((run) => [run.repeat, run]));
    const base = spec.training!;
    try {
      if (study.datasetId == null) throw conflict('The dataset of the study was deleted.');
      for (let repeat = 0; repeat < spec.repeats; repeat++) {
        const before = states.get(runs.get(repeat)?.jobId ?? '');
        if (before?.status === 'FAILED' || before?.status === 'CANCELLED') await trainings.resume(session, before.id);
        if (before) continue;
        const { id: jobId, runId } = await trainings.start(session, {
          experimentId: study.experimentId,
          datasetId: study.datasetId,
          config: configOfTrial(base, trial.params, (base.seed ?? spec.seed) + repeat),
          runName: spec.repeats === 1 ? `trial ${trial.number}` : `trial ${trial.number}, seed ${repeat + 1}`,
          ...{ backend: spec.backend, workers: spec.workers },
          parentRunId: study.runId,
          parentJobId: this.attempt.job.id,
          tags: [
            { key: 'matih.studyId', value: study.id },
            { key: 'matih.trialNumber', value: String(trial.number) },
          ],
        });
        await addTrialRun(session, { trialId: trial.id, repeat, runId: runId!, jobId });
      }
      return true;
    } catch (error) {
      if (!(error instanceof AppError) || error.code === ErrorCode.UNAVAILABLE) throw error;
      // The trainings of the repeats before this one would run for a trial that has ended.
      const begun = await runsOfTrials(session, [trial.id]);
      await this.stopTrial(session, trial, 'FAILED', error.message, begun, await this.statesOf(session, begun));
      return false;
    }
  }

  private async report(session: Session, study: Study): Promise<void> {
    const state = stateOf(study);
    // Each look would count all trials again.
    if (state === this.reported.state) return;
    const counts = await countTrials(session, study.id);
    const done = counts.COMPLETE + counts.PRUNED + counts.FAILED;
    const { maxTrials, maxDurationMs } = study.stopRule;
    const ofTrials = maxTrials === null ? 0 : done / maxTrials;
    const ofTime = maxDurationMs === null ? 0 : elapsedMsOf(study) / maxDurationMs;
    const [objective] = study.spec.objectives;
    const best = study.spec.objectives.length === 1 ? await bestTrial(session, study.id) : null;
    const bestText = best?.values
      ? `; best ${objective!.metric} ${Number(best.values[0]!.toPrecision(6))} (trial ${best.number})`
      : '';
    const of = maxTrials === null ? '' : ` of ${maxTrials}`;
    const message = `${done}${of} trials done, ${counts.RUNNING} running${bestText}`;
    const isNews = message !== this.reported.message;
    this.reported = { state, message };
    if (!isNews) return;
    this.attempt.progress(Math.min(1, Math.max(ofTrials, ofTime)), message);
  }

  /** Ends the study. False when it was given more to do meanwhile. */
  private async finish(reason: string): Promise<boolean> {
    const { attempt, parts } = this;
    const { counts, best } = await attempt.read(async (session) => {
      const study = await this.locked(session);
      return {
        counts: await countTrials(session, this.studyId),
        best: study.spec.objectives.length === 1 ? await bestTrial(session, this.studyId) : null,
      };
    });
    if (counts.COMPLETE === 0) throw await this.nothingFound(reason, counts);
    const trials = { complete: counts.COMPLETE, pruned: counts.PRUNED, failed: counts.FAILED };
    const result = { studyId: this.studyId, reason, trials, bestTrial: best?.number ?? null };
    try {
      await attempt.succeed(result, async (session) => {
        const study = await this.locked(session);
        if (stateOf(study) !== this.seen) throw new StudyGoesOn();
        await parts.ends.completeStudy(session, study, reason);
      });
      return true;
    } catch (error) {
      if (error instanceof StudyGoesOn) return false;
      throw error;
    }
  }

  private async nothingFound(reason: string, counts: Record<TrialStatus, number>): Promise<AppError> {
    const failed = await this.attempt.read((session) => trialsWith(session, this.studyId, ['FAILED']));
    const last = failed.at(-1)?.reason;
    return conflict(
      `${reason} No trial has a result: ${counts.FAILED} failed, ${counts.PRUNED} were pruned.` +
        (last ? ` The last failure: ${last}` : ''),
      { expected: 'a trial with a result' },
    );
  }
}

/** Somebody gave the study more to do while it was ended. */
class StudyGoesOn extends Error {}

/** Whether the newest trials have all failed, so that further ones would most likely fail, too. */
function isHopeless({ trials }: StudyHistory): boolean {
  const own = trials.filter(({ number }) => number >= 0).sort((a, b) => b.number - a.number);
  return own.length >= FAILURES_IN_A_ROW && own.slice(0, FAILURES_IN_A_ROW).every(({ state }) => state === 'FAILED');
}

/** The pruner sees each new step by itself, so that it decides the same however late it looks. */
function whyPrune(
  { spec }: Study,
  { history, pruner }: StudyMemory,
  trial: Trial,
  points: readonly CurvePoint[],
): string | undefined {
  if (!pruner || points.length === 0) return undefined;
  const { number, params } = trial;
  const known = reportsOf(trial);
  const curve = curveOfReports(spec, [...known, ...points]);
  const others = history.trials.filter((other) => other.number !== number);
  for (let end = known.length + 1; end <= curve.length; end++) {
    const record: TrialRecord = { number, state: 'RUNNING', params, curve: curve.slice(0, end) };
    const reason = pruner.prune({ ...history, trials: [...others, record] }, record);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** What changes when a study is given more to do. */
const stateOf = ({ stopRule, eventSeq }: Study): string => JSON.stringify([stopRule, eventSeq]);

const idOf = ({ id }: { id: string }): string => id;

/** Waits for whatever is published first on any of some topics; nothing that comes during a look is lost. */
class WakeUps {
  private followed = new Map<string, () => void>();
  private isStale = false;
  private wake: (() => void) | null = null;
  private readonly kick = (): void => {
    this.isStale = true;
    this.wake?.();
  };

  constructor(
    private readonly live: LiveEvents,
    private readonly signal: AbortSignal,
  ) {
    signal.addEventListener('abort', this.kick);
  }

  /** From now on these topics only; those of before stay subscribed. */
  follow(topics: readonly string[]): void {
    const next = new Map(
      topics.map((topic) => [topic, this.followed.get(topic) ?? this.live.subscribe(topic, this.kick)]),
    );
    for (const [topic, stop] of this.followed) if (!next.has(topic)) stop();
    // Something may have been published before the first subscription.
    if ([...next.keys()].some((topic) => !this.followed.has(topic))) this.isStale = true;
    this.followed = next;
  }

  async next(): Promise<void> {
    if (!this.isStale && !this.signal.aborted) {
      const timer = setTimeout(this.kick, LOOK_AGAIN_MS);
      await new Promise<void>((resolve) => (this.wake = resolve));
      clearTimeout(timer);
      this.wake = null;
    }
    this.isStale = false;
  }

  close(): void {
    this.signal.removeEventListener('abort', this.kick);
    for (const stop of this.followed.values()) stop();
  }
}
