import { LockMode } from '@mikro-orm/core';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import type { Session } from '../../db/database.js';
import { noteWritten } from '../../db/written.js';
import { checkName, toHexId } from '../core/index.js';
import { requireWhole } from './rules/experiment-state.js';
import { RUN_TAGS } from './rules/run-tags.js';
import { isEnded, RUN_STATUS, type RunStatus } from './rules/run-status.js';
import { conflict } from '../../errors.js';
import { audit } from '../platform/index.js';
import type { TagEntry } from './experiment.service.js';
import { deleteTag, putTags, refuseWrite } from './run-pairs.js';
import type { RunService } from './run.service.js';
import { cloneDatasets } from './stores/datasets.js';
import { importOf } from './stores/experiment-states.js';
import { pairsOf } from './stores/pairs.js';
import { changeRunStatus } from './stores/runs.js';

export interface RunUpdate {
  runId: string;
  name?: string | null;
  status?: RunStatus | null;
  /** When absent: now if the run ends, null if it continues. */
  endedAt?: Date | null;
  /** Markdown; an empty text removes the description. */
  description?: string | null;
}

/** Called in the transaction that ends a run. An exception undoes the end. */
type OnRunEnd = (session: Session, runId: string) => Promise<void>;

/** Changes of a run after its creation: finish, resume, clone, delete and restore. */
export class RunLifecycleService {
  private readonly listeners: OnRunEnd[] = [];

  constructor(private readonly runs: RunService) {}

  /** Lets another module act when a run ends. */
  onEnd(listener: OnRunEnd): void {
    this.listeners.push(listener);
  }

  async update(session: Session, input: RunUpdate): Promise<Run> {
    const run = await this.writable(session, input.runId);
    const before = { name: run.name, status: run.status, endedAt: run.endedAt };
    const changed: TagEntry[] = [];
    if (input.name != null) changed.push({ key: RUN_TAGS.name, value: checkName('input.name', input.name) });
    if (input.description) changed.push({ key: RUN_TAGS.note, value: input.description });
    if (changed.length > 0) await putTags(session, run.id, changed);
    if (input.description === '') await this.dropNote(session, run.id);
    if (input.status != null) await this.setStatus(session, run, input.status, input.endedAt ?? null);
    else if (input.endedAt != null) run.endedAt = input.endedAt;
    const after = {
      name: run.name,
      status: run.status,
      endedAt: run.endedAt,
      description: input.description?.slice(0, 200),
    };
    audit(session, 'updateRun', { type: 'run', id: run.id }, before, after);
    return run;
  }

  async finish(session: Session, runId: string, status: 'FINISHED' | 'FAILED' | 'KILLED'): Promise<Run> {
    const run = await this.writable(session, runId);
    const before = { status: run.status };
    await this.setStatus(session, run, status, new Date());
    audit(session, 'finishRun', { type: 'run', id: runId }, before, { status });
    return run;
  }

  /** Continues a run that has ended, so that more can be logged. */
  async resume(session: Session, runId: string): Promise<Run> {
    const run = await this.writable(session, runId);
    if (!isEnded(run.status))
      throw conflict(`Run ${runId} is ${run.status}.`, { expected: 'a run that has ended', got: run.status });
    const training = await session.em.findOne(
      Job,
      { tenant: session.tenant, runId, kind: 'TRAINING' },
      { fields: ['id'] },
    );
    if (training) {
      throw conflict(`Run ${runId} is that of training ${training.id}: resumeTraining goes on with it.`, {
        expected: 'a run of code outside this service',
        got: `the run of training ${training.id}`,
      });
    }
    const before = { status: run.status, endedAt: run.endedAt };
    await this.setStatus(session, run, 'RUNNING', null);
    audit(session, 'resumeRun', { type: 'run', id: runId }, before, { status: run.status });
    return run;
  }

  /**
   * A new run with the parameters and tags of another run, and a tag that names it. Metrics and files are not copied.
   */
  async clone(
    session: Session,
    input: { runId: string; name?: string | null; experimentId?: string | null; withDatasets?: boolean | null },
  ): Promise<Run> {
    const original = await this.runs.get(session, input.runId);
    const tags = (await pairsOf(session, 'run_tag', original.id)).filter(
      ({ key }) => key !== RUN_TAGS.name && key !== RUN_TAGS.clonedFrom,
    );
    const clone = await this.runs.create(session, {
      experimentId: input.experimentId ?? original.experimentId,
      name: input.name ?? original.name,
      params: await pairsOf(session, 'run_param', original.id),
      tags: [...tags, { key: RUN_TAGS.clonedFrom, value: toHexId(original.id) }],
    });
    if (input.withDatasets ?? true) await cloneDatasets(session, original.id, clone.id);
    audit(session, 'cloneRun', { type: 'run', id: clone.id }, null, { clonedFrom: original.id });
    return clone;
  }

  /** Marks a run as deleted until it is restored or garbage collection removes it. A deleted run cannot be changed. */
  async remove(session: Session, runId: string): Promise<Run> {
    const run = await this.locked(session, runId);
    if (run.state === 'DELETED') return run;
    await this.refuseUnfinishedJobs(session, [run.id]);
    Object.assign(run, { state: 'DELETED', deletedAt: new Date() });
    audit(session, 'deleteRun', { type: 'run', id: runId }, { state: 'ACTIVE' }, { state: 'DELETED' });
    return run;
  }

  async restore(session: Session, runId: string): Promise<Run> {
    const run = await this.locked(session, runId);
    if (run.state === 'ACTIVE') return run;
    requireWhole(await importOf(session, run.experimentId));
    if (run.collectionBeganAt) {
      throw conflict(`Run ${runId} is being collected as garbage, so that it cannot be restored any more.`, {
        expected: 'a run whose collection has not begun',
        got: `a run whose collection began at ${run.collectionBeganAt.toISOString()}`,
      });
    }
    Object.assign(run, { state: 'ACTIVE', deletedAt: null });
    audit(session, 'restoreRun', { type: 'run', id: runId }, { state: 'DELETED' }, { state: 'ACTIVE' });
    return run;
  }

  private async writable(session: Session, runId: string): Promise<Run> {
    const run = await this.locked(session, runId);
    return run.state === 'ACTIVE' ? run : refuseWrite(session, runId);
  }

  /** Locks the row, so that the second of two changes at the same time sees the first. */
  private async locked(session: Session, runId: string): Promise<Run> {
    const run = await this.runs.get(session, runId);
    await session.em.lock(run, LockMode.PESSIMISTIC_WRITE);
    await session.em.refresh(run);
    return run;
  }

  private async setStatus(session: Session, run: Run, status: RunStatus, endedAt: Date | null): Promise<void> {
    const change = { status, endedAt: isEnded(status) ? (endedAt ?? run.endedAt ?? new Date()) : null };
    if (!(await changeRunStatus(session, run.id, change))) throw RUN_STATUS.refusal(run.status, status, 'input.status');
    noteWritten(run, change);
    this.runs.publishStatus(session, run.id);
    if (isEnded(status)) for (const listener of this.listeners) await listener(session, run.id);
  }

  private async dropNote(session: Session, runId: string): Promise<void> {
    const tags = await pairsOf(session, 'run_tag', runId, [RUN_TAGS.note]);
    if (tags.length > 0) await deleteTag(session, runId, RUN_TAGS.note);
  }

  private async refuseUnfinishedJobs(session: Session, runIds: string[]): Promise<void> {
    const job = await session.em.findOne(
      Job,
      {
        ...{ tenant: session.tenant, runId: { $in: runIds } },
        ...{ kind: { $in: ['TRAINING', 'TUNING', 'SCRIPT'] }, status: { $in: ['QUEUED', 'RUNNING'] } },
      },
      { fields: ['id', 'runId', 'kind'] },
    );
    if (job) {
      const what = job.kind.toLowerCase();
      throw conflict(`A ${what}, job ${job.id}, still works on run ${job.runId}; cancel it first.`, {
        expected: `a run without an unfinished ${what}`,
        got: `${what} ${job.id}`,
      });
    }
  }
}
