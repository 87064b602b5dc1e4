import { afterAll, beforeAll, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { AuditLogDocument } from '../../schema/generated/operations.js';
import {
  CloneJobDocument,
  CreateScheduleDetailsDocument,
  DeleteScheduleDocument,
  EventsDetailsDocument,
  JobsDetailsDocument,
  PauseScheduleDocument,
  ResumeScheduleDocument,
  ScheduleDetailsOfDocument,
  SchedulesDetailsDocument,
  ScheduleStartsDocument,
  StartScheduleNowDocument,
  UpdateScheduleDocument,
  WorldCancelJobDocument,
  type CreateScheduleInput,
  type ScheduleOrderInput,
  type SchedulesDetailsQuery,
} from '../generated/operations.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { sql } from '../support/sql.js';
import { CARS_CONFIG, createExperiment, registerDataset, startTraining, vegaPath } from '../support/training.js';

/** No worker takes jobs here, so that each stays as the schedule has started it. */
let service: TestService;
let tess: Caller;
let admin: Caller;
let jobId: string;

beforeAll(async () => {
  service = await startTestService({ ROLE: 'api', RECONCILE_INTERVAL_MS: '3600000' });
  tess = await service.as({ subject: 'tess' });
  admin = await service.as({ role: Role.ADMIN });
  const experimentId = await createExperiment(tess);
  const datasetId = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
  const config = {
    ...CARS_CONFIG,
    window: { column: 'Year', from: '1970-01-01T00:00:00Z', to: '1980-01-01T00:00:00Z' },
  };
  const job = { priority: 7, cores: 0.5, maxDurationMs: 60_000 };
  ({ jobId } = await startTraining(tess, { experimentId, datasetId, config, job }));
});
afterAll(() => service?.close());

const tick = () => service.app.context.services.scheduleStarter.tick();
let named = 0;

async function create(more: Partial<CreateScheduleInput> = {}) {
  const input = { name: `nightly ${named++}`, jobId, cron: '30 2 * * *', timeZone: 'Europe/Berlin', ...more };
  return (await tess.ok(CreateScheduleDetailsDocument, { input })).createSchedule.schedule;
}

const viewOf = async (id: string) => (await tess.ok(ScheduleDetailsOfDocument, { id })).schedule;
const startsOf = async (scheduleId: string) =>
  (await tess.ok(ScheduleStartsDocument, { scheduleId })).scheduleStarts.nodes;
const outcomesOf = async (scheduleId: string) => (await startsOf(scheduleId)).map(({ outcome }) => outcome);
const unfinished = async () =>
  (await tess.ok(JobsDetailsDocument, { first: 500, filter: { status: ['QUEUED'] } })).jobs.nodes.length;

/** As if the service had been away since then. */
async function setDue(id: string, dueAt: Date): Promise<void> {
  await service.app.context.db.asSystem((em) => sql(em, 'update schedule set due_at = ? where id = ?', [dueAt, id]));
}

it('shows its next starts, starts a job when one is due, and keeps what became of it', async () => {
  const schedule = await create({ newestDataset: true });
  expect(schedule).toMatchObject({
    ...{ kind: 'TRAINING', cron: '30 2 * * *', timeZone: 'Europe/Berlin', watchedDataset: null, createdBy: 'tess' },
    ...{ missed: 'START_ONCE', overlap: 'SKIP', newestDataset: true, productionVersion: false, pausedAt: null },
    ...{ lastStart: null, dataset: { version: 1 }, modelVersion: null },
  });
  expect(schedule.nextStarts[0]).toBe(schedule.nextStartAt);
  expect(Date.parse(schedule.nextStartAt!)).toBeGreaterThan(Date.now());
  await tick();
  expect(await startsOf(schedule.id)).toEqual([]);

  await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
  const due = new Date(Date.now() - 1_000);
  await setDue(schedule.id, due);
  await Promise.all([tick(), tick(), tick()]);
  const [start, ...others] = await startsOf(schedule.id);
  expect(others).toEqual([]);
  expect(start).toMatchObject({
    ...{ outcome: 'STARTED', dueAt: due.toISOString(), message: 'Started on time.' },
    job: { status: 'QUEUED', kind: 'TRAINING', schedule: { name: schedule.name }, dataset: { version: 2 } },
  });
  // With newer data, a training that ended at a date has no end.
  expect(start!.job!.config).toMatchObject({ training: { window: { column: 'Year' }, seed: 7 } });
  expect(start!.job!.config).not.toHaveProperty('training.window.to');
  expect(await viewOf(schedule.id)).toMatchObject({
    ...{ nextStartAt: schedule.nextStartAt, lastStart: { outcome: 'STARTED' } },
  });
  const { events } = await tess.ok(EventsDetailsDocument, { filter: { subjectId: schedule.id } });
  expect(events.nodes).toMatchObject([{ type: 'SCHEDULED_JOB_STARTED', payload: { jobId: start!.job!.id } }]);
  const { auditLog } = await admin.ok(AuditLogDocument, { first: 1, filter: { subjectId: start!.job!.id } });
  expect(auditLog.nodes).toMatchObject([{ action: 'startTraining', actor: 'tess', role: 'ENGINEER' }]);
});

it('a start finds an earlier job at work: it is left out, starts beside it, or takes its place', async () => {
  const due = () => new Date(Date.now() - 1_000);
  const schedule = await create();
  const startAgain = async () => {
    await setDue(schedule.id, due());
    await tick();
    return (await startsOf(schedule.id))[0]!;
  };
  const first = await startAgain();
  const skipped = await startAgain();
  expect(skipped).toMatchObject({ outcome: 'SKIPPED', job: null });
  expect(skipped.message).toContain(`${first.job!.id} of an earlier start is still QUEUED`);

  await tess.ok(UpdateScheduleDocument, { input: { id: schedule.id, overlap: 'ALLOW' } });
  const beside = await startAgain();
  expect(beside.outcome).toBe('STARTED');

  await tess.ok(UpdateScheduleDocument, { input: { id: schedule.id, overlap: 'CANCEL_PREVIOUS' } });
  const replacing = await startAgain();
  expect(replacing).toMatchObject({ outcome: 'STARTED', job: { status: 'QUEUED' } });
  const states = (await startsOf(schedule.id)).map(({ job }) => job?.status ?? null);
  expect(states).toEqual(['QUEUED', 'CANCELLED', null, 'CANCELLED']);
});

it('starts that nobody was there for are left out or made up for once, as the schedule says', async () => {
  const threeDays = new Date(Date.now() - 3 * 24 * 3_600_000);
  const [skips, starts] = [await create({ missed: 'SKIP' }), await create({ missed: 'START_ONCE' })];
  for (const { id } of [skips, starts]) await setDue(id, threeDays);
  await tick();
  expect(await outcomesOf(skips.id)).toEqual(['MISSED']);
  expect((await outcomesOf(starts.id)).toSorted()).toEqual(['MISSED', 'STARTED']);
  const [missed] = await startsOf(skips.id);
  expect(missed!.message).toContain(`from ${threeDays.toISOString()} on`);
  expect((await viewOf(skips.id)).nextStartAt).toBe(skips.nextStartAt);
});

it('a paused schedule starts nothing, and misses nothing', async () => {
  const { id, nextStartAt } = await create();
  const { pauseSchedule } = await tess.ok(PauseScheduleDocument, { input: { id } });
  expect(pauseSchedule.schedule).toMatchObject({ nextStartAt: null, nextStarts: [] });
  expect(pauseSchedule.schedule.pausedAt).not.toBeNull();
  // Another expression does not end the pause.
  await tess.ok(UpdateScheduleDocument, { input: { id, cron: '* * * * *' } });
  await tick();
  expect(await viewOf(id)).toMatchObject({ cron: '* * * * *', timeZone: 'Europe/Berlin', nextStartAt: null });
  expect(await tess.fails(PauseScheduleDocument, { input: { id } })).toMatchObject({
    extensions: { code: 'CONFLICT' },
  });
  await tess.ok(UpdateScheduleDocument, { input: { id, cron: '30 2 * * *' } });
  const { resumeSchedule } = await tess.ok(ResumeScheduleDocument, { input: { id } });
  expect(resumeSchedule.schedule).toMatchObject({ pausedAt: null, nextStartAt, lastStart: null });
  expect(await tess.fails(ResumeScheduleDocument, { input: { id } })).toMatchObject({
    extensions: { code: 'CONFLICT' },
  });
});

it('each new version of a watched dataset starts a job, several at once one', async () => {
  await registerDataset(tess, { name: 'weather', path: vegaPath('cars.json') });
  const { id } = await create({ cron: null, timeZone: null, watchedDataset: 'weather', overlap: 'ALLOW' });
  expect(await viewOf(id)).toMatchObject({ cron: null, timeZone: null, nextStartAt: null, nextStarts: [] });
  await tick();
  expect(await outcomesOf(id)).toEqual([]);
  for (let i = 0; i < 2; i++) await registerDataset(tess, { name: 'weather', path: vegaPath('cars.json') });
  await Promise.all([tick(), tick()]);
  await tick();
  expect((await startsOf(id)).map(({ message }) => message)).toEqual(['Started for version 3 of dataset weather.']);
  // A version of the pause starts nothing.
  await tess.ok(PauseScheduleDocument, { input: { id } });
  await registerDataset(tess, { name: 'weather', path: vegaPath('cars.json') });
  await tick();
  await tess.ok(ResumeScheduleDocument, { input: { id } });
  await tick();
  expect(await outcomesOf(id)).toEqual(['STARTED']);
});

it('a job that is refused leaves its reason, starts nothing, and the schedule goes on', async () => {
  const schedule = await create();
  const before = await unfinished();
  await service.app.context.db.asSystem((em) =>
    sql(
      em,
      `update schedule set template = jsonb_set(template, '{datasetId}', '"${crypto.randomUUID()}"') where id = ?`,
      [schedule.id],
    ),
  );
  await setDue(schedule.id, new Date(Date.now() - 1_000));
  await tick();
  expect(await startsOf(schedule.id)).toMatchObject([
    { outcome: 'REFUSED', job: null, message: expect.stringContaining('NOT_FOUND') as string },
  ]);
  expect(await unfinished()).toBe(before);
  expect((await viewOf(schedule.id)).nextStartAt).toBe(schedule.nextStartAt);
  const { events } = await tess.ok(EventsDetailsDocument, { filter: { subjectId: schedule.id } });
  expect(events.nodes).toMatchObject([{ type: 'SCHEDULED_JOB_REFUSED', payload: { errorCode: 'NOT_FOUND' } }]);
  expect(await tess.fails(StartScheduleNowDocument, { input: { id: schedule.id } })).toMatchObject({
    extensions: { code: 'NOT_FOUND' },
  });
});

it('starts a job by hand, keeps its settings when the first job is gone, and leaves its jobs when it is deleted', async () => {
  const { id, nextStartAt } = await create();
  const { startScheduleNow } = await tess.ok(StartScheduleNowDocument, { input: { id } });
  expect(startScheduleNow).toMatchObject({
    ...{ start: { outcome: 'STARTED', message: 'Started by hand.' }, schedule: { nextStartAt } },
  });
  const { startScheduleNow: again } = await tess.ok(StartScheduleNowDocument, { input: { id } });
  expect(again.start.outcome).toBe('SKIPPED');
  await tess.ok(DeleteScheduleDocument, { input: { id } });
  expect(await tess.fails(ScheduleDetailsOfDocument, { id })).toMatchObject({ extensions: { code: 'NOT_FOUND' } });
  const { cloneJob } = await tess.ok(CloneJobDocument, { input: { jobId: startScheduleNow.start.job!.id } });
  expect(cloneJob.job).toMatchObject({ status: 'QUEUED', priority: 7, maxDurationMs: 60_000 });
});

it('lists page, filter and sort', async () => {
  const bob = await service.as({ subject: 'bob', tenant: 'lists' });
  const experimentId = await createExperiment(bob);
  const datasetId = await registerDataset(bob, { name: 'cars', path: vegaPath('cars.json') });
  const own = (await startTraining(bob, { experimentId, datasetId, config: CARS_CONFIG })).jobId;
  const make = async (name: string, cron: string) =>
    (
      await bob.ok(CreateScheduleDetailsDocument, {
        input: { name, jobId: own, cron, timeZone: 'UTC', overlap: 'ALLOW' },
      })
    ).createSchedule.schedule.id;
  const late = await make('a late one', '0 0 29 2 *');
  const soon = await make('soon', '* * * * *');
  const paused = await make('paused', '0 * * * *');
  await bob.ok(PauseScheduleDocument, { input: { id: paused } });
  const ids = async (variables: object) =>
    (await bob.ok(SchedulesDetailsDocument, variables)).schedules.nodes.map(({ id }) => id);
  expect(await ids({})).toEqual([paused, soon, late]);
  expect(await ids({ orderBy: { field: 'NAME', direction: 'ASC' } })).toEqual([late, paused, soon]);
  expect(await ids({ orderBy: { field: 'NEXT_START_AT', direction: 'ASC' } })).toEqual([soon, late, paused]);
  expect(await ids({ filter: { isPaused: true } })).toEqual([paused]);
  expect(await ids({ filter: { isPaused: false, search: 'LATE' } })).toEqual([late]);
  expect(await ids({ filter: { kind: 'EVALUATION' } })).toEqual([]);
  expect(await ids({ filter: { createdBy: 'bob', kind: 'TRAINING' } })).toHaveLength(3);
  const seen: string[] = [];
  const orderBy: ScheduleOrderInput = { field: 'NEXT_START_AT', direction: 'ASC' };
  for (let after: string | null = null, more = true; more;) {
    const page: SchedulesDetailsQuery = await bob.ok(SchedulesDetailsDocument, { first: 1, after, orderBy });
    const { nodes, totalCount, pageInfo } = page.schedules;
    expect(totalCount).toBe(3);
    seen.push(...nodes.map(({ id }) => id));
    [after, more] = [pageInfo.endCursor ?? null, pageInfo.hasNextPage];
  }
  expect(seen).toEqual([soon, late, paused]);

  for (let i = 0; i < 3; i++) await bob.ok(StartScheduleNowDocument, { input: { id: soon } });
  const page = (await bob.ok(ScheduleStartsDocument, { scheduleId: soon, first: 2 })).scheduleStarts;
  expect(page).toMatchObject({ totalCount: 3, pageInfo: { hasNextPage: true }, nodes: [{}, {}] });
  const rest = { scheduleId: soon, after: page.pageInfo.endCursor, filter: { outcome: ['STARTED' as const] } };
  expect((await bob.ok(ScheduleStartsDocument, rest)).scheduleStarts.nodes).toHaveLength(1);
});

it.each<[string, object, string, string]>([
  ['no trigger', { cron: null, timeZone: null }, 'input', 'BAD_USER_INPUT'],
  ['two triggers', { watchedDataset: 'cars' }, 'input', 'BAD_USER_INPUT'],
  ['no zone', { timeZone: null }, 'input.timeZone', 'BAD_USER_INPUT'],
  ['an unknown zone', { timeZone: 'Europe/Atlantis' }, 'input.timeZone', 'BAD_USER_INPUT'],
  ['seconds', { cron: '* * * * * *' }, 'input.cron', 'BAD_USER_INPUT'],
  ['a day that never comes', { cron: '0 0 30 2 *' }, 'input.cron', 'BAD_USER_INPUT'],
  [
    'an unknown dataset',
    { cron: null, timeZone: null, watchedDataset: 'no' },
    'input.watchedDataset',
    'BAD_USER_INPUT',
  ],
  ['a training in production', { productionVersion: true }, 'input.productionVersion', 'BAD_USER_INPUT'],
  ['an empty name', { name: '' }, 'input.name', 'BAD_USER_INPUT'],
])('refuses %s', async (_, change, field, code) => {
  const input = { name: `wrong ${named++}`, jobId, cron: '30 2 * * *', timeZone: 'UTC', ...change };
  expect(await tess.fails(CreateScheduleDetailsDocument, { input })).toMatchObject({ extensions: { code, field } });
});

it('refuses a name that is taken, and what a VIEWER asks', async () => {
  const { name, id } = await create();
  const input = { name, jobId, cron: '@daily', timeZone: 'UTC' };
  expect(await tess.fails(CreateScheduleDetailsDocument, { input })).toMatchObject({
    extensions: { code: 'CONFLICT', field: 'input.name' },
  });
  const viewer = await service.as({ role: Role.VIEWER });
  expect(await viewer.fails(StartScheduleNowDocument, { input: { id } })).toMatchObject({
    extensions: { code: 'FORBIDDEN' },
  });
  expect((await viewer.ok(ScheduleDetailsOfDocument, { id })).schedule.name).toBe(name);
});

it('a clone has the settings of a job, and a cancelled one can be cloned, too', async () => {
  await tess.ok(WorldCancelJobDocument, { input: { jobId } });
  const { cloneJob } = await tess.ok(CloneJobDocument, { input: { jobId } });
  expect(cloneJob.job).toMatchObject({
    ...{ kind: 'TRAINING', status: 'QUEUED', priority: 7, maxDurationMs: 60_000 },
    config: { training: { window: { to: expect.stringContaining('1980') as string } } },
  });
  const { auditLog } = await admin.ok(AuditLogDocument, { first: 1, filter: { action: 'cloneJob' } });
  expect(auditLog.nodes).toMatchObject([{ subjectId: cloneJob.job.id, after: { clonedFromJobId: jobId } }]);
});
