import type { FilterQuery } from '@mikro-orm/core';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { Experiment } from '../../db/entities/experiments/experiment.entity.js';
import { Study } from '../../db/entities/tuning/study.entity.js';
import { Trial } from '../../db/entities/tuning/trial.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { badInput, conflict, notFound } from '../../errors.js';
import { checkName } from '../core/index.js';
import type { RunService } from '../experiments/index.js';
import { audit, containsText, emitEvent, requireOwn } from '../platform/index.js';
import { TUNING_EVENTS } from './events.js';
import { isFeasible } from './rules/objectives.js';
import { checkParams } from './rules/enqueued.js';
import type { Params } from './rules/space.js';
import type { StopRule } from './rules/stop-rule.js';
import type { StudyStatus, TrialStatus } from './rules/study-status.js';
import type { PriorTrial, StudySpec } from './rules/study-spec.js';
import { checkPruner } from './strategy.js';
import { lockStudy, studyStatus } from './stores/studies.js';
import { addTrials, trialsAfter } from './stores/trials.js';

export interface NewStudy {
  experimentId: string;
  name: string;
  spec: StudySpec;
  stopRule: StopRule;
  enqueued: Params[];
  warmStartFrom: string[];
  datasetId?: string;
}

export interface StudyFilter {
  search?: string | null;
  status?: StudyStatus[] | null;
  experimentId?: string | null;
}

export interface TrialFilter {
  status?: TrialStatus[] | null;
}

/** Trials of each earlier study that a study begins with, the newest first. */
const PRIOR_TRIALS = 1_000;

/** Studies and their trials, however they are driven. */
export class StudyService {
  constructor(
    private readonly live: LiveEvents,
    private readonly runs: RunService,
  ) {}

  async get(session: Session, id: string): Promise<Study> {
    const study = await session.em.findOne(Study, { id, tenant: session.tenant });
    if (!study) throw notFound('study', id);
    return study;
  }

  /** The study, locked until the transaction ends. */
  async locked(session: Session, id: string): Promise<Study> {
    const study = await lockStudy(session, id);
    if (!study) throw notFound('study', id);
    return study;
  }

  async list(
    session: Session,
    { search, status, experimentId }: StudyFilter,
    page: PageRequest,
    order: Order<'createdAt' | 'name'>,
  ): Promise<Page<Study>> {
    await requireOwn(session, Experiment, 'experiment', [experimentId]);
    const where: FilterQuery<Study> = {
      tenant: session.tenant,
      ...(experimentId != null && { experimentId }),
      ...(status?.length && { status: { $in: status } }),
      ...(search && { name: containsText(search) }),
    };
    return paginate(session, Study, where, page, order);
  }

  async trial(session: Session, id: string): Promise<Trial> {
    const trial = await session.em.findOne(Trial, { id, tenant: session.tenant });
    if (!trial) throw notFound('trial', id);
    return trial;
  }

  async trials(
    session: Session,
    studyId: string,
    { status }: TrialFilter,
    page: PageRequest,
    order: Order<'number' | 'score'>,
  ): Promise<Page<Trial>> {
    await requireOwn(session, Study, 'study', [studyId]);
    const where: FilterQuery<Trial> = {
      ...{ tenant: session.tenant, studyId },
      ...(status?.length && { status: { $in: status } }),
    };
    return paginate(session, Trial, where, page, order);
  }

  /** Whether no trial of the study changes any more, unless it goes on. NOT_FOUND when it does not exist. */
  async hasEnded(session: Session, id: string): Promise<boolean> {
    const status = await studyStatus(session, id);
    if (status === null) throw notFound('study', id);
    return status !== 'RUNNING';
  }

  /** Trials that changed after a sequence number, in the order of their last changes. */
  trialsAfter(session: Session, studyId: string, seq: number, limit: number): Promise<Trial[]> {
    return trialsAfter(session, studyId, seq, limit);
  }

  /** Adds a study with its run and its enqueued trials. BAD_USER_INPUT names the first wrong field. */
  async add(session: Session, { spec, stopRule, enqueued, warmStartFrom, ...input }: NewStudy): Promise<Study> {
    checkPruner(spec);
    this.checkStopRule(spec, stopRule);
    if (stopRule.maxTrials !== null && enqueued.length > stopRule.maxTrials)
      throw badInput('input.enqueuedTrials', `at most ${stopRule.maxTrials} trials, the budget`, enqueued.length);
    enqueued.forEach((params, i) => checkParams(spec.space, params, `input.enqueuedTrials[${i}]`));
    const priorTrials = await this.priorTrials(session, warmStartFrom, spec);
    const { experimentId, datasetId, name } = input;
    const run = await this.runs.create(session, {
      experimentId,
      name: checkName('input.name', name),
      params: [
        { key: 'sampler', value: spec.sampler },
        { key: 'pruner', value: spec.pruner.kind },
        { key: 'seed', value: String(spec.seed) },
        {
          key: 'objectives',
          value: spec.objectives.map(({ metric, direction }) => `${direction} ${metric}`).join(', '),
        },
      ],
    });
    const study = session.em.create(Study, {
      ...{ tenant: session.tenant, experimentId, datasetId, runId: run.id, name, spec, stopRule, priorTrials },
      createdBy: session.principal.subject,
    });
    await session.em.flush();
    await this.runs.setTags(session, run.id, [{ key: 'matih.studyId', value: study.id }]);
    await addTrials(session, study, 'QUEUED', enqueued);
    this.announce(session, study);
    return study;
  }

  checkStopRule({ objectives }: StudySpec, { maxTrials, maxDurationMs, noExpectedGain }: StopRule): void {
    if (maxTrials === null && maxDurationMs === null)
      throw badInput('input.stop', 'maxTrials or maxDurationMs, so that the study ends', null);
    if (noExpectedGain && objectives.length > 1)
      throw badInput('input.stop.noExpectedGain', 'nothing with several objectives', noExpectedGain);
  }

  announce(session: Session, study: Study): void {
    const payload = { experimentId: study.experimentId, runId: study.runId, name: study.name };
    emitEvent(session, this.live, TUNING_EVENTS.STUDY_STARTED, { type: 'study', id: study.id }, payload);
  }

  audit(session: Session, action: string, { id }: Study, before: object | null, after: object | null): void {
    audit(session, action, { type: 'study', id }, before, after);
  }

  /** The results of earlier studies; only parameters that the new space has count. */
  private async priorTrials(session: Session, ids: readonly string[], spec: StudySpec): Promise<PriorTrial[]> {
    const prior: PriorTrial[] = [];
    for (const [i, id] of ids.entries()) {
      const earlier = await this.get(session, id);
      const same = (one: StudySpec) =>
        JSON.stringify(one.objectives.map(({ metric, direction }) => [metric, direction]));
      if (same(earlier.spec) !== same(spec))
        throw badInput(`input.warmStartFrom[${i}]`, 'a study with the same objectives', id);
      const found = await session.em.find(
        Trial,
        { tenant: session.tenant, studyId: id, status: 'COMPLETE' },
        { orderBy: { number: 'DESC' }, limit: PRIOR_TRIALS },
      );
      for (const { params, values, violations } of found.reverse()) {
        if (values && isFeasible(violations) && fits(spec, params)) prior.push({ params, values });
      }
    }
    if (ids.length > 0 && prior.length === 0)
      throw conflict('The earlier studies have no trial with a result whose parameters the new space allows.', {
        field: 'input.warmStartFrom',
        expected: 'studies with such trials',
      });
    return prior;
  }
}

function fits({ space }: StudySpec, params: Params): boolean {
  try {
    checkParams(space, params, 'params');
    return true;
  } catch {
    return false;
  }
}
