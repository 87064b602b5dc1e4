import { metricsTopic, publishRun, requireOwn, audit } from '../platform/index.js';
import { LockMode } from '@mikro-orm/core';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import type { Session } from '../../db/database.js';
import { checkName, timeOf, toHexId, checkRange, type InputRange } from '../core/index.js';
import { RUN_TAGS, tagsOfSource, type RunSource } from './rules/run-tags.js';
import { isEnded, RUN_STATUS, type RunStatus } from './rules/run-status.js';
import { badInput, notFound } from '../../errors.js';
import type { ExperimentService, TagEntry } from './experiment.service.js';
import { appendMetrics, type MetricInput } from './stores/metric-log.js';
import { addParams, deleteTag, putTags } from './run-pairs.js';
import { keysAtStep, metricsByStep, pointsAfter, type MetricRow } from './stores/metrics.js';
import { pairsOf } from './stores/pairs.js';
import { addCounter, changeRunStatus, lockRun, statusOf, type StatusChange } from './stores/runs.js';
import { STEP } from './rules/logged-values.js';

export interface NewRun {
  /** Set by an import only, which keeps the ids of the source. */
  id?: string;
  experimentId: string;
  name?: string | null;
  parentRunId?: string | null;
  startedAt?: Date | null;
  status?: RunStatus;
  description?: string | null;
  source?: RunSource | null;
  params?: TagEntry[] | null;
  tags?: TagEntry[] | null;
}

export const METRICS_PER_CALL = { min: 1, max: 10_000, unit: 'points' } satisfies InputRange;

/** Runs and their data: parameters, tags, metric histories. */
export class RunService {
  constructor(
    private readonly live: LiveEvents,
    private readonly experiments: ExperimentService,
  ) {}

  async create(session: Session, input: NewRun): Promise<Run> {
    // Other new runs share this lock. A deletion of the experiment waits for it, and then finds this run.
    const experiment = await this.experiments.get(session, input.experimentId, LockMode.PESSIMISTIC_READ);
    if (experiment.state !== 'ACTIVE') throw badInput('input.experimentId', 'an active experiment', experiment.state);
    const parent = input.parentRunId == null ? null : await this.get(session, input.parentRunId);
    const name = nameOf(input);
    const run = session.em.create(Run, {
      ...(input.id != null && { id: input.id }),
      ...(input.startedAt != null && { startedAt: timeOf('input.startedAt', input.startedAt.getTime()) }),
      tenant: session.tenant,
      experimentId: experiment.id,
      name,
      status: input.status ?? 'RUNNING',
      createdBy: session.principal.subject,
    });
    await session.em.flush();
    await addCounter(session, run.id);
    if (input.params?.length) await addParams(session, run.id, input.params);
    await putTags(session, run.id, [
      ...(input.tags ?? []),
      ...tagsOfSource(input.source ?? {}),
      ...(input.description == null ? [] : [{ key: RUN_TAGS.note, value: input.description }]),
      ...(parent ? [{ key: RUN_TAGS.parent, value: toHexId(parent.id) }] : []),
      { key: RUN_TAGS.name, value: name },
    ]);
    audit(session, 'createRun', { type: 'run', id: run.id }, null, {
      name,
      experimentId: experiment.id,
      parentRunId: run.parentRunId,
    });
    return run;
  }

  async get(session: Session, id: string): Promise<Run> {
    const run = await session.em.findOne(Run, { id, tenant: session.tenant });
    if (!run) throw notFound('run', id);
    return run;
  }

  /** Whether no more data will come, unless the run is resumed. Also true for a run that garbage collection removed. */
  async hasEnded(session: Session, id: string): Promise<boolean> {
    const status = await statusOf(session, id);
    return status === null || isEnded(status);
  }

  /** Sets the status of a run that the transaction has not loaded; its followers are told. */
  async setStatus(session: Session, runId: string, change: StatusChange): Promise<void> {
    if (!(await changeRunStatus(session, runId, change))) {
      const status = await statusOf(session, runId);
      throw status === null ? notFound('run', runId) : RUN_STATUS.refusal(status, change.status);
    }
    this.publishStatus(session, runId);
  }

  /** Tells the followers. Call in the transaction in which the run ends or continues. */
  publishStatus(session: Session, id: string): void {
    session.afterCommit(() => publishRun(this.live, id));
  }

  /** NOT_FOUND for the first run that does not exist. */
  requireAll(session: Session, ids: string[]): Promise<void> {
    return requireOwn(session, Run, 'run', ids);
  }

  /** A parameter describes how a run was made: the same value can be logged again, another value is refused. */
  async logParams(session: Session, runId: string, params: TagEntry[]): Promise<void> {
    const added = await addParams(session, runId, params);
    audit(session, 'logParams', { type: 'run', id: runId }, null, added);
  }

  async setTags(session: Session, runId: string, tags: TagEntry[]): Promise<void> {
    const keys = tags.map(({ key }) => key);
    const before = await pairsOf(session, 'run_tag', runId, keys);
    const after = await putTags(session, runId, tags);
    audit(
      session,
      'setRunTags',
      { type: 'run', id: runId },
      Object.fromEntries(before.map(({ key, value }) => [key, value])),
      after,
    );
  }

  /** Computes a tag's new value from its old one (null when there is none). Callers take turns. */
  async changeTag(
    session: Session,
    runId: string,
    key: string,
    change: (before: string | null) => string,
  ): Promise<void> {
    await lockRun(session, runId);
    const [tag] = await pairsOf(session, 'run_tag', runId, [key]);
    await this.setTags(session, runId, [{ key, value: change(tag?.value ?? null) }]);
  }

  /** NOT_FOUND when the run does not have this tag. */
  async deleteTag(session: Session, runId: string, key: string): Promise<void> {
    const value = await deleteTag(session, runId, key);
    audit(session, 'deleteRunTag', { type: 'run', id: runId }, { [key]: value }, null);
  }

  /**
   * Appends metric points and returns how many are new. The same point again adds nothing. Clients of MLflow may use
   * steps below 0.
   */
  async logMetrics(session: Session, runId: string, metrics: MetricInput[], minStep = STEP.min): Promise<number> {
    checkRange(METRICS_PER_CALL, metrics, null, 'input.metrics');
    const addedCount = await appendMetrics(session, runId, metrics, minStep);
    session.afterCommit(() => this.live.publish(metricsTopic(runId)));
    return addedCount;
  }

  /**
   * Logs the metrics of one step, each at most once: an attempt that repeats a step of an earlier attempt adds nothing.
   */
  async logStep(session: Session, runId: string, step: number, metrics: Record<string, number>): Promise<void> {
    const known = await keysAtStep(session, runId, step);
    const fresh = Object.entries(metrics).filter(([key]) => !known.has(key));
    if (fresh.length === 0) return;
    await this.logMetrics(
      session,
      runId,
      fresh.map(([key, value]) => ({ key, value, step })),
    );
  }

  /** Metrics of the training and validation rows, by step. */
  stepHistory(session: Session, runId: string): Promise<{ step: number; metrics: Record<string, number> }[]> {
    return metricsByStep(session, runId, ['train.', 'validation.']);
  }

  /** Points after a sequence number; -1 asks for the newest only. */
  async metricsAfter(session: Session, runId: string, seq: number, limit: number): Promise<MetricRow[]> {
    return pointsAfter(session, runId, seq, limit, seq < 0 ? 'desc' : 'asc');
  }
}

function nameOf({ name, tags }: NewRun): string {
  const tag = tags?.findLast(({ key }) => key === RUN_TAGS.name)?.value;
  if (name != null && tag !== undefined && name !== tag)
    throw badInput('input.name', `the value of its tag ${RUN_TAGS.name}`, name);
  const given = name ?? tag;
  return given == null
    ? `run-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}`
    : checkName('input.name', given);
}
