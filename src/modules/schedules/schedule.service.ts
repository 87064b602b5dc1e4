import type { FilterQuery } from '@mikro-orm/core';
import { LockMode } from '@mikro-orm/core';
import { Schedule } from '../../db/entities/schedules/schedule.entity.js';
import { ScheduleStart } from '../../db/entities/schedules/schedule-start.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { AppError, badInput, conflict, ErrorCode, notFound } from '../../errors.js';
import { checkName } from '../core/index.js';
import type { DatasetService } from '../datasets/index.js';
import type { JobCloner } from '../jobs/index.js';
import { audit, containsText, requireOwn, takeTenantLock } from '../platform/index.js';
import { checkCron, type CronTimes, nextStart, nextStarts } from './rules/cron.js';

/** When a schedule starts jobs: by the clock, or when a dataset has a new version. */
interface Trigger {
  cron?: string | null;
  timeZone?: string | null;
  watchedDataset?: string | null;
}

type Rules = Pick<Schedule, 'missed' | 'overlap' | 'newestDataset' | 'productionVersion'>;

export interface NewSchedule extends Trigger, Rules {
  name: string;
  jobId: string;
}

/** Fields that are absent or null stay as they are. */
export type ScheduleChange = { id: string } & { [Field in keyof NewSchedule]?: NewSchedule[Field] | null };

export interface ScheduleFilter {
  search?: string | null;
  kind?: string | null;
  isPaused?: boolean | null;
  createdBy?: string | null;
}

const MAX_SCHEDULES = 1_000;
/** The next start of a schedule without one. */
const NEVER = new Date('9999-12-31T00:00:00.000Z');
const CRON_FIELDS = { cron: 'input.cron', timeZone: 'input.timeZone' };

/** Schedules, as people set them. Their starts are made by `ScheduleStarter`. */
export class ScheduleService {
  constructor(
    private readonly cloner: JobCloner,
    private readonly datasets: DatasetService,
  ) {}

  async get(session: Session, id: string): Promise<Schedule> {
    const schedule = await session.em.findOne(Schedule, { id, tenant: session.tenant });
    if (!schedule) throw notFound('schedule', id);
    return schedule;
  }

  async list(
    session: Session,
    { search, isPaused, ...equal }: ScheduleFilter,
    page: PageRequest,
    order: Order<'createdAt' | 'name' | 'dueAt'>,
  ): Promise<Page<Schedule>> {
    const where: FilterQuery<Schedule> = {
      tenant: session.tenant,
      ...(search && { name: containsText(search) }),
      ...(isPaused != null && { pausedAt: isPaused ? { $ne: null } : null }),
    };
    for (const [field, value] of Object.entries(equal)) if (value != null) Object.assign(where, { [field]: value });
    return paginate(session, Schedule, where, page, order);
  }

  /** What became of the starts of a schedule. */
  async starts(
    session: Session,
    scheduleId: string,
    { outcome }: { outcome?: ScheduleStart['outcome'][] | null },
    page: PageRequest,
    order: Order<'createdAt'>,
  ): Promise<Page<ScheduleStart>> {
    await requireOwn(session, Schedule, 'schedule', [scheduleId]);
    const where: FilterQuery<ScheduleStart> = {
      ...{ tenant: session.tenant, scheduleId },
      ...(outcome?.length && { outcome: { $in: outcome } }),
    };
    return paginate(session, ScheduleStart, where, page, order);
  }

  /** The times of the next starts; none of a paused schedule, and none that are known of a watched dataset. */
  upcoming(
    { cron, timeZone, pausedAt }: Partial<Pick<Schedule, 'cron' | 'timeZone' | 'pausedAt'>>,
    count: number,
  ): Date[] {
    return cron && timeZone && !pausedAt ? nextStarts({ cron, timeZone }, new Date(), count) : [];
  }

  async create(session: Session, { name, jobId, ...input }: NewSchedule): Promise<Schedule> {
    checkName('input.name', name);
    const template = await this.cloner.templateOf(session, jobId, input);
    const { missed, overlap, newestDataset, productionVersion } = input;
    await this.requireFreeName(session, name);
    if ((await session.em.count(Schedule, { tenant: session.tenant })) >= MAX_SCHEDULES)
      throw new AppError(ErrorCode.RESOURCE_EXHAUSTED, `A tenant has at most ${MAX_SCHEDULES} schedules: delete one.`);
    const schedule = session.em.create(Schedule, {
      ...{ tenant: session.tenant, name, kind: template.kind, template },
      ...{ missed, overlap, newestDataset, productionVersion },
      ...(await this.triggerOf(session, input)),
      createdBy: session.principal.subject,
    });
    audit(session, 'createSchedule', { type: 'schedule', id: schedule.id }, null, { ...viewOf(schedule), jobId });
    await session.em.flush();
    return schedule;
  }

  /** Changes what is given. A new trigger replaces the old one. */
  async update(session: Session, { id, name, jobId, ...input }: ScheduleChange): Promise<Schedule> {
    const schedule = await this.locked(session, id);
    const before = viewOf(schedule);
    if (name != null && name !== schedule.name) {
      checkName('input.name', name);
      await this.requireFreeName(session, name);
      schedule.name = name;
    }
    schedule.missed = input.missed ?? schedule.missed;
    schedule.overlap = input.overlap ?? schedule.overlap;
    schedule.newestDataset = input.newestDataset ?? schedule.newestDataset;
    schedule.productionVersion = input.productionVersion ?? schedule.productionVersion;
    if (jobId != null) {
      const template = await this.cloner.templateOf(session, jobId, schedule);
      Object.assign(schedule, { template, kind: template.kind });
    } else if (schedule.productionVersion && schedule.template.modelVersionId === null) {
      throw badInput('input.productionVersion', 'false, as the jobs have no model version', true);
    }
    if (input.cron != null || input.timeZone != null || input.watchedDataset != null) {
      const isCron = input.watchedDataset == null;
      const known = isCron && schedule.cron !== null ? { cron: schedule.cron, timeZone: schedule.timeZone } : {};
      const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value != null));
      Object.assign(schedule, await this.triggerOf(session, { ...known, ...given }, schedule.pausedAt));
    }
    schedule.updatedAt = new Date();
    audit(session, 'updateSchedule', { type: 'schedule', id }, before, {
      ...viewOf(schedule),
      ...(jobId != null && { jobId }),
    });
    return schedule;
  }

  /** No further start until `resume`. CONFLICT when it is paused. */
  async pause(session: Session, id: string): Promise<Schedule> {
    const schedule = await this.locked(session, id);
    if (schedule.pausedAt)
      throw conflict(`Schedule ${id} is paused already.`, { expected: 'a schedule that is not paused', got: 'paused' });
    const now = new Date();
    Object.assign(schedule, { pausedAt: now, updatedAt: now, dueAt: NEVER });
    audit(session, 'pauseSchedule', { type: 'schedule', id }, { isPaused: false }, { isPaused: true });
    return schedule;
  }

  /** Starts from now on again: those of the pause are not missed. CONFLICT when it is not paused. */
  async resume(session: Session, id: string): Promise<Schedule> {
    const schedule = await this.locked(session, id);
    if (!schedule.pausedAt)
      throw conflict(`Schedule ${id} is not paused.`, { expected: 'a paused schedule', got: 'one that is not' });
    Object.assign(schedule, {
      ...(await this.triggerOf(session, schedule)),
      ...{ pausedAt: null, updatedAt: new Date() },
    });
    audit(session, 'resumeSchedule', { type: 'schedule', id }, { isPaused: true }, { isPaused: false });
    return schedule;
  }

  /** Deletes it with its history; its jobs stay, and go on. */
  async delete(session: Session, id: string): Promise<void> {
    const schedule = await this.locked(session, id);
    session.em.remove(schedule);
    audit(session, 'deleteSchedule', { type: 'schedule', id }, viewOf(schedule), null);
  }

  /** The schedule, locked until the transaction ends. */
  async locked(session: Session, id: string): Promise<Schedule> {
    const where = { id, tenant: session.tenant };
    const schedule = await session.em.findOne(Schedule, where, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
    if (!schedule) throw notFound('schedule', id);
    return schedule;
  }

  /** The time of the start after a time. */
  dueAfter(times: CronTimes, after: Date): Date {
    return nextStart(times, after) ?? NEVER;
  }

  /** The newest version of a dataset. BAD_USER_INPUT when there is no such dataset. */
  async newestVersion(session: Session, name: string): Promise<number> {
    const newest = await this.datasets.latest(session, name);
    if (!newest) throw badInput('input.watchedDataset', 'the name of a registered dataset', name);
    return newest.version;
  }

  private async triggerOf(session: Session, { cron, timeZone, watchedDataset }: Trigger, pausedAt?: Date | null) {
    if ((cron == null) === (watchedDataset == null))
      throw badInput('input', 'either cron with timeZone, or watchedDataset', { cron, watchedDataset });
    if (watchedDataset != null) {
      if (timeZone != null) throw badInput('input.timeZone', 'nothing with watchedDataset', timeZone);
      const watchedVersion = await this.newestVersion(session, watchedDataset);
      return { cron: null, timeZone: null, watchedDataset, watchedVersion, dueAt: NEVER };
    }
    if (cron == null || timeZone == null)
      throw badInput('input.timeZone', 'the name of a time zone of the IANA, e.g. Europe/Berlin or UTC', timeZone);
    const now = new Date();
    checkCron({ cron, timeZone }, CRON_FIELDS, now);
    const dueAt = pausedAt ? NEVER : this.dueAfter({ cron, timeZone }, now);
    return { cron, timeZone, watchedDataset: null, watchedVersion: null, dueAt };
  }

  private async requireFreeName(session: Session, name: string): Promise<void> {
    const { em, tenant } = session;
    await takeTenantLock(session, 'schedules');
    if ((await em.count(Schedule, { tenant, name })) === 0) return;
    throw conflict(`A schedule with the name "${name}" exists already: choose another name, or change that one.`, {
      ...{ field: 'input.name', expected: 'a name that no schedule has', got: name },
    });
  }
}

/** For the audit log. */
function viewOf({ name, kind, cron, timeZone, watchedDataset, ...of }: Schedule) {
  const { missed, overlap, newestDataset, productionVersion } = of;
  return { name, kind, cron, timeZone, watchedDataset, missed, overlap, newestDataset, productionVersion };
}

/** Null when no start is known. */
export function nextStartOf({ dueAt }: Pick<Schedule, 'dueAt'>): Date | null {
  return dueAt.getTime() === NEVER.getTime() ? null : dueAt;
}
