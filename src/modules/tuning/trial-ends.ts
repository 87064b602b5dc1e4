import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Session } from '../../db/database.js';
import type { Study } from '../../db/entities/tuning/study.entity.js';
import type { Trial } from '../../db/entities/tuning/trial.entity.js';
import type { RunService } from '../experiments/index.js';
import { emitEvent } from '../platform/index.js';
import { TUNING_EVENTS } from './events.js';
import { scoreOf } from './rules/objectives.js';
import { changeStudyStatus } from './stores/studies.js';
import { runsOfTrials } from './stores/trial-runs.js';
import { bestTrial, changeTrialStatus, countTrials, trialsWith } from './stores/trials.js';

/** The topic of everything that changes in a study. */
export const studyTopic = (studyId: string) => `study:${studyId}`;

/** The result of a trial. */
export interface TrialResult {
  values: number[];
  standardErrors?: number[] | null;
  violations?: number[] | null;
}

/** Ends trials and studies, with what follows from it: the best value so far as a metric, the run, the followers. */
export class TrialEnds {
  constructor(
    private readonly live: LiveEvents,
    private readonly runs: RunService,
  ) {}

  /** Call with the study locked. False when the trial has ended meanwhile. */
  async complete(session: Session, study: Study, trial: Trial, result: TrialResult): Promise<boolean> {
    const { objectives } = study.spec;
    const { values, standardErrors = null, violations = null } = result;
    const score = scoreOf(values, objectives, violations);
    const change = { values, standardErrors, violations, score, reason: null };
    if (!(await changeTrialStatus(session, trial, 'RUNNING', 'COMPLETE', change))) return false;
    this.wake(session, study.id);
    if (objectives.length === 1) {
      const best = (await bestTrial(session, study.id))?.values?.[0];
      // Trials end in another order than their numbers, but the newest value of a metric is that of its last step.
      const step = (await countTrials(session, study.id)).COMPLETE - 1;
      if (best !== undefined)
        await this.runs.logStep(session, study.runId, step, { [`best.${objectives[0]!.metric}`]: best });
    }
    return true;
  }

  async end(
    session: Session,
    trial: Trial,
    status: 'PRUNED' | 'FAILED' | 'CANCELLED',
    reason: string,
    violations?: number[] | null,
  ): Promise<boolean> {
    const change = { reason, ...(violations !== undefined && { violations }) };
    const isChanged = await changeTrialStatus(session, trial, 'RUNNING', status, change);
    this.wake(session, trial.studyId);
    return isChanged;
  }

  /** Ends a study that has a result. */
  async completeStudy(session: Session, study: Study, reason: string): Promise<void> {
    await changeStudyStatus(session, study, 'COMPLETED', reason);
    await this.runs.setStatus(session, study.runId, { status: 'FINISHED', endedAt: new Date() });
    session.touch('run', study.runId);
    session.touch('study', study.id);
    const best = study.spec.objectives.length === 1 ? await bestTrial(session, study.id) : null;
    const payload = { reason, bestTrial: best?.number ?? null, bestValue: best?.values?.[0] ?? null };
    emitEvent(session, this.live, TUNING_EVENTS.STUDY_COMPLETED, { type: 'study', id: study.id }, payload);
    this.wake(session, study.id);
  }

  /** Ends a study without any result. */
  async failStudy(session: Session, study: Study, reason: string): Promise<void> {
    await changeStudyStatus(session, study, 'FAILED', reason);
    await this.runs.setStatus(session, study.runId, { status: 'FAILED', endedAt: new Date() });
    session.touch('run', study.runId);
    session.touch('study', study.id);
    const payload = { errorMessage: reason };
    emitEvent(session, this.live, TUNING_EVENTS.STUDY_FAILED, { type: 'study', id: study.id }, payload);
    this.wake(session, study.id);
  }

  /** Cancels a study that no job drives, with its running trials. */
  async cancelStudy(session: Session, study: Study, reason: string): Promise<void> {
    await changeStudyStatus(session, study, 'CANCELLED', reason);
    const running = await trialsWith(session, study.id, ['RUNNING']);
    for (const trial of running) await this.end(session, trial, 'CANCELLED', 'The study has ended before it.');
    const killed = { status: 'KILLED' as const, endedAt: new Date() };
    for (const { runId } of await runsOfTrials(
      session,
      running.map(({ id }) => id),
    ))
      await this.runs.setStatus(session, runId, killed);
    await this.runs.setStatus(session, study.runId, killed);
    session.touch('run', study.runId);
    session.touch('study', study.id);
  }

  /** Lets an ended study go on. */
  async reopenStudy(session: Session, study: Study): Promise<void> {
    await changeStudyStatus(session, study, 'RUNNING', null);
    await this.runs.setStatus(session, study.runId, { status: 'RUNNING', endedAt: null });
    session.touch('run', study.runId);
    session.touch('study', study.id);
  }

  wake(session: Session, studyId: string): void {
    session.afterCommit(() => this.live.publish(studyTopic(studyId)));
  }
}
