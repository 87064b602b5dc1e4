import { afterEach, beforeEach, expect, it } from 'vitest';
import { CreateScheduleDetailsDocument } from '../generated/operations.js';
import { sql } from '../support/embedded.js';
import { ServiceGroup, type ServiceProcess } from '../support/processes.js';
import type { Caller } from '../support/service.js';
import {
  CARS_CONFIG,
  createExperiment,
  registerDataset,
  startTraining,
  trainingEnd,
  trainingWhen,
  vegaPath,
} from '../support/training.js';

/** A worker that dies while it makes room for a job, or while it starts the jobs of schedules. */

const CORES = 2;
const SCHEDULES = 40;

let group: ServiceGroup;
let api: ServiceProcess;
beforeEach(async () => {
  group = await ServiceGroup.create();
  // Only the workers look for what is due.
  api = await group.start('api', { RECONCILE_INTERVAL_MS: '3600000' });
});
afterEach(() => group?.close());

async function thingsOf(caller: Caller) {
  return {
    experimentId: await createExperiment(caller),
    datasetId: await registerDataset(caller, { name: 'cars', path: vegaPath('cars.json') }),
  };
}

const rows = <T extends object>(text: string) => sql(group.database.url, text) as Promise<T[]>;

it('killed -9 after it asked a job to make room: that job goes on later, and the room is used', async () => {
  const [tess, other] = await Promise.all([group.as(api), group.as(api, { tenant: 'other' })]);
  const settings = { PREEMPT_AFTER_MS: '1000', WORKER_CORES: String(CORES) };
  const workers = await Promise.all([group.start('worker', settings), group.start('worker', settings)]);
  const whole = { job: { cores: CORES } };
  // It stores its progress late, so that the kill comes before.
  const config = {
    ...CARS_CONFIG,
    hyperparameters: { ...CARS_CONFIG.hyperparameters, epochs: 400 },
    checkpointEveryEpochs: 300,
  };
  const things = await thingsOf(tess);
  const theirThings = await thingsOf(other);
  const running = [];
  for (let i = 0; i < workers.length; i++) running.push(await startTraining(tess, { ...things, config, ...whole }));
  for (const { jobId } of running) await trainingWhen(tess, jobId, ({ status }) => status === 'RUNNING');
  const waiting = await startTraining(other, { ...theirThings, config: CARS_CONFIG, ...whole });
  await rows(`update job set created_at = now() - interval '1 minute' where id = '${waiting.jobId}'`);
  const asked = () => rows<{ id: string }>('select id from job where preempted_at is not null');
  await expect.poll(async () => (await asked()).length, { timeout: 20_000, interval: 5 }).toBe(1);
  const [{ id: replaced } = { id: '' }] = await asked();
  const isOf = ({ log }: ServiceProcess) => log.some(({ msg, jobId }) => msg === 'job started' && jobId === replaced);
  await workers.find(isOf)!.end('SIGKILL');
  await group.start('worker', settings);

  await trainingEnd(other, waiting.jobId);
  for (const { jobId } of running) {
    const { attempt } = await trainingEnd(tess, jobId);
    expect(attempt > 1).toBe(jobId === replaced);
  }
  expect(await rows('select id from job where preempted_at is not null or room_on is not null')).toEqual([]);
}, 180_000);

it('killed -9 while it starts the jobs of schedules: each start is made once', async () => {
  const tess = await group.as(api);
  const { jobId } = await startTraining(tess, { ...(await thingsOf(tess)), config: CARS_CONFIG });
  const ids: string[] = [];
  for (let i = 0; i < SCHEDULES; i++) {
    const input = { name: `nightly ${i}`, jobId, cron: '30 2 * * *', timeZone: 'Europe/Berlin' };
    ids.push((await tess.ok(CreateScheduleDetailsDocument, { input })).createSchedule.schedule.id);
  }
  await rows(`update schedule set due_at = now() - interval '1 second'`);
  const starts = () =>
    rows<{ schedule: string; outcome: string; jobs: number }>(
      `select s.schedule_id as schedule, s.outcome, count(j.id)::int as jobs from schedule_start s
       left join job j on j.id = s.job_id group by s.id`,
    );
  const madeBy: number[] = [];
  for (let kills = 0; kills < 3; kills++) {
    const worker = await group.start('worker', { WORKER_CONCURRENCY: '1' });
    const before = (await starts()).length;
    await expect.poll(async () => (await starts()).length, { timeout: 20_000, interval: 1 }).toBeGreaterThan(before);
    await worker.end('SIGKILL');
    madeBy.push((await starts()).length);
    if (madeBy.at(-1) === SCHEDULES) break;
  }
  await group.start('worker', { WORKER_CONCURRENCY: '1' });
  await expect.poll(async () => (await starts()).length, { timeout: 30_000 }).toBe(SCHEDULES);
  const made = await starts();
  expect(made.map(({ schedule }) => schedule).toSorted()).toEqual(ids.toSorted());
  for (const { outcome, jobs } of made) expect([outcome, jobs]).toEqual(['STARTED', 1]);
  const [{ trainings } = { trainings: 0 }] = await rows<{ trainings: number }>(
    `select count(*)::int as trainings from job where kind = 'TRAINING'`,
  );
  expect(trainings).toBe(SCHEDULES + 1);
  console.log(`starts after each kill -9: ${madeBy.join(', ')} of ${SCHEDULES}, each one once`);
}, 180_000);
