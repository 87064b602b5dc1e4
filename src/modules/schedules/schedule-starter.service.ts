import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Schedule } from '../../db/entities/schedules/schedule.entity.js';
import { ScheduleStart } from '../../db/entities/schedules/schedule-start.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { AppError, ErrorCode } from '../../errors.js';
import { Role } from '../core/index.js';
import type { JobCloner, JobService } from '../jobs/index.js';
import { audit, emitEvent } from '../platform/index.js';
import { SCHEDULE_EVENTS } from './events.js';
import { dueStart, MAX_MISSED } from './rules/cron.js';
import type { ScheduleService } from './schedule.service.js';
import { type DueSchedule, dueSchedules, schedulesWithNewData, unfinishedJobs } from './stores/schedules.js';

/** Schedules that one look starts; others wait for the next look. */
const STARTS_PER_LOOK = 100;
/** An overlap rule looks at as many unfinished jobs. */
const MAX_UNFINISHED = 100;

/** Makes the starts of schedules. A start, its job and the time of the next start are one transaction. */
export class ScheduleStarter {
  constructor(
    private readonly db: Database,
    private readonly live: LiveEvents,
    private readonly schedules: ScheduleService,
    private readonly jobs: JobService,
    private readonly cloner: JobCloner,
    private readonly logger: Logger,
  ) {}

  /** Makes the starts that are due. Several processes may do this at the same time. */
  async tick(): Promise<void> {
    const due = await this.db.asSystem((em) => dueSchedules(em, STARTS_PER_LOOK));
    for (const one of due) await this.make(one, (session, refusal) => this.startDue(session, one.id, refusal));
    const withNewData = await this.db.asSystem((em) => schedulesWithNewData(em, STARTS_PER_LOOK));
    for (const one of withNewData) await this.make(one, (session, refusal) => this.startNew(session, one.id, refusal));
  }

  /** Starts a job at once, by the overlap rule, also of a paused schedule. */
  async startNow(actor: Actor, id: string): Promise<{ schedule: Schedule; start: ScheduleStart }> {
    const { template } = await this.db.transact(actor, (session) => this.schedules.get(session, id));
    await this.cloner.check(actor, template);
    return this.db.transact(actor, async (session) => {
      const schedule = await this.schedules.locked(session, id);
      const start = await this.start(session, schedule, new Date(), 'Started by hand');
      const { outcome, jobId } = start;
      audit(session, 'startScheduleNow', { type: 'schedule', id }, null, { outcome, jobId });
      return { schedule, start };
    });
  }

  /** A refusal undoes the transaction of the start; another one keeps the reason, and goes on to the next start. */
  private async make(
    { id, tenant, createdBy }: DueSchedule,
    start: (session: Session, refusal: AppError | null) => Promise<void>,
  ): Promise<void> {
    const actor: Actor = {
      principal: { subject: createdBy, tenant, role: Role.ENGINEER, expiresAt: new Date(Date.now() + 60_000) },
      requestId: randomUUID(),
      isBackground: true,
    };
    try {
      await this.db
        .transact(actor, (session) => start(session, null))
        .catch(async (error: unknown) => {
          // Without the database, or after a mistake of this service, a later look tries again.
          if (!(error instanceof AppError) || RETRIED.includes(error.code)) throw error;
          await this.db.transact(actor, (session) => start(session, error));
        });
    } catch (error) {
      this.logger.error({ err: error, scheduleId: id }, 'schedule not started');
    }
  }

  private async startDue(session: Session, id: string, refusal: AppError | null): Promise<void> {
    const schedule = await this.schedules.locked(session, id);
    const { cron, timeZone, dueAt, missed: rule } = schedule;
    const now = new Date();
    // Another process was faster, or the schedule has changed.
    if (cron === null || timeZone === null || cron === undefined || timeZone === undefined || dueAt > now) return;
    const { start, missed } = dueStart({ cron, timeZone }, dueAt, now, rule);
    if (missed) {
      const count = missed.count < MAX_MISSED ? String(missed.count) : `at least ${MAX_MISSED}`;
      const message = `Missed starts: ${count}, from ${missed.first.toISOString()} on, as no worker was there in time.`;
      this.note(session, schedule, missed.first, { outcome: 'MISSED', message });
    }
    if (start) await this.startOrRefuse(session, schedule, start, 'Started on time', refusal);
    schedule.dueAt = this.schedules.dueAfter({ cron, timeZone }, now);
  }

  private async startNew(session: Session, id: string, refusal: AppError | null): Promise<void> {
    const schedule = await this.schedules.locked(session, id);
    const { watchedDataset, watchedVersion, pausedAt } = schedule;
    if (watchedDataset == null || watchedVersion == null || pausedAt) return;
    const newest = await this.schedules.newestVersion(session, watchedDataset);
    if (newest <= watchedVersion) return;
    schedule.watchedVersion = newest;
    const cause = `Started for version ${newest} of dataset ${watchedDataset}`;
    await this.startOrRefuse(session, schedule, new Date(), cause, refusal);
  }

  private async startOrRefuse(
    session: Session,
    schedule: Schedule,
    dueAt: Date,
    cause: string,
    refusal: AppError | null,
  ): Promise<void> {
    if (!refusal) return void (await this.start(session, schedule, dueAt, cause));
    const { code, message } = refusal;
    this.note(session, schedule, dueAt, { outcome: 'REFUSED', message: `${code}: ${message}` });
    const about = { scheduleId: schedule.id, name: schedule.name, errorCode: code, errorMessage: message };
    emitEvent(session, this.live, SCHEDULE_EVENTS.SCHEDULED_JOB_REFUSED, subjectOf(schedule), about);
  }

  private async start(session: Session, schedule: Schedule, dueAt: Date, cause: string): Promise<ScheduleStart> {
    const { id, name, template, overlap } = schedule;
    const unfinished = overlap === 'ALLOW' ? [] : await unfinishedJobs(session, id, MAX_UNFINISHED);
    const [earlier] = unfinished;
    if (earlier && overlap === 'SKIP') {
      const message = `Job ${earlier.id} of an earlier start is still ${earlier.status}.`;
      return this.note(session, schedule, dueAt, { outcome: 'SKIPPED', message });
    }
    for (const { id: jobId } of unfinished) await this.jobs.cancelUnlessEnded(session, jobId);
    const job = await this.cloner.start(session, template, schedule);
    const about = { scheduleId: id, name, jobId: job.id, kind: job.kind, dueAt: dueAt.toISOString() };
    emitEvent(session, this.live, SCHEDULE_EVENTS.SCHEDULED_JOB_STARTED, subjectOf(schedule), about);
    return this.note(session, schedule, dueAt, { outcome: 'STARTED', jobId: job.id, message: `${cause}.` });
  }

  private note(
    session: Session,
    { id, tenant }: Schedule,
    dueAt: Date,
    what: Pick<ScheduleStart, 'outcome' | 'message'> & { jobId?: string },
  ): ScheduleStart {
    return session.em.create(ScheduleStart, { tenant, scheduleId: id, dueAt, ...what });
  }
}

const RETRIED: readonly ErrorCode[] = [ErrorCode.UNAVAILABLE, ErrorCode.INTERNAL];

const subjectOf = ({ id }: Schedule) => ({ type: 'schedule', id });
