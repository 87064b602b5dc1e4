// What a trial of an outside trainer costs in the whole service: askTrial and tellTrial, and the database's part of it.
import pg from 'pg';
import {
  BenchAskTrialDocument,
  BenchCreateExperimentDocument,
  BenchCreateStudyDocument,
  BenchTellTrialDocument,
} from '../generated/operations.ts';
import { median } from '../support/report.ts';
import { startService, withDataDir, type Service } from '../support/service.ts';

const PARAMETERS = 10;
const WARM_UP = 10;
const TRIALS = 40;

/** PostgreSQL shows what a connection has done after this time at the latest. */
const STATISTICS_MS = 1_500;

export interface TrialCost {
  /** Median milliseconds of asking for a trial of 10 parameters and telling its value. */
  serviceMs: number;
  /** Mean milliseconds in which the database executed statements, with those of the background during that time. */
  databaseMs: number;
}

/** By the number of trials before. */
export function costPerTrial(counts: readonly number[]): Promise<TrialCost[]> {
  return withDataDir(async (dataDir) => {
    const service = await startService(dataDir);
    try {
      const { createExperiment } = await service.send(BenchCreateExperimentDocument, { input: { name: 'tune' } });
      const all: TrialCost[] = [];
      for (const count of counts) all.push(await costAfter(service, createExperiment.experiment.id, count));
      return all;
    } finally {
      await service.stop();
    }
  });
}

async function costAfter(service: Service, experimentId: string, count: number): Promise<TrialCost> {
  const parameters = Array.from({ length: PARAMETERS }, (_, i) => ({
    ...{ name: `x${i}`, kind: 'FLOAT' as const, low: 0, high: 1 },
  }));
  const { createStudy } = await service.send(BenchCreateStudyDocument, {
    input: {
      ...{ experimentId, name: `after ${count}`, space: { parameters }, sampler: 'TPE' },
      objectives: [{ metric: 'loss', direction: 'MINIMIZE' }],
      stop: { maxTrials: count + WARM_UP + TRIALS },
    },
  });
  const studyId = createStudy.study.id;
  const url = await service.databaseUrl();
  await addTrials(url, studyId, count);
  const times: number[] = [];
  let before = 0;
  for (let i = 0; i < WARM_UP + TRIALS; i++) {
    if (i === WARM_UP) before = await databaseMs(url);
    const started = performance.now();
    const { askTrial } = await service.send(BenchAskTrialDocument, { studyId });
    const { id, params } = askTrial.trial!;
    const value = Object.values(params as Record<string, number>).reduce((sum, x) => sum + (x - 0.3) ** 2, 0);
    await service.send(BenchTellTrialDocument, { input: { trialId: id, values: [value] } });
    if (i >= WARM_UP) times.push(performance.now() - started);
  }
  return { serviceMs: median(times), databaseMs: ((await databaseMs(url)) - before) / TRIALS };
}

/** Milliseconds in which the database has executed statements since its start. */
async function databaseMs(url: string): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, STATISTICS_MS));
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query('select active_time from pg_stat_database where datname = current_database()');
    return Number(rows[0].active_time);
  } finally {
    await client.end();
  }
}

/** Complete trials at random points, without runs. */
async function addTrials(url: string, studyId: string, count: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(
      `insert into trial (id, tenant, study_id, number, seq, status, params, "values", score, started_at, ended_at)
       select gen_random_uuid(), 'default', $1, n, n + 1, 'COMPLETE', drawn.params, array[drawn.value], drawn.value,
         now(), now()
       from generate_series(0, $2::int - 1) n, lateral (
         select jsonb_object_agg('x' || i, u.x) as params, sum((u.x - 0.3) ^ 2) as value
         from generate_series(0, ${PARAMETERS - 1}) i, lateral (select random() as x where n + i >= 0) u
       ) drawn`,
      [studyId, count],
    );
    await client.query('update study set next_number = $2::int, event_seq = $2::int where id = $1', [studyId, count]);
    await client.query('vacuum analyze trial');
  } finally {
    await client.end();
  }
}
