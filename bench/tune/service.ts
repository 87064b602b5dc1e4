// What a trial of an outside trainer costs in the whole service: askTrial and tellTrial, database included.
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

/** Median milliseconds of asking for a trial of 10 parameters and telling its value, by the trials before. */
export function serviceMsPerTrial(counts: readonly number[]): Promise<number[]> {
  return withDataDir(async (dataDir) => {
    const service = await startService(dataDir);
    try {
      const { createExperiment } = await service.send(BenchCreateExperimentDocument, { input: { name: 'tune' } });
      const all: number[] = [];
      for (const count of counts) all.push(await msPerTrial(service, createExperiment.experiment.id, count));
      return all;
    } finally {
      await service.stop();
    }
  });
}

async function msPerTrial(service: Service, experimentId: string, count: number): Promise<number> {
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
  await addTrials(await service.databaseUrl(), studyId, count);
  const times: number[] = [];
  for (let i = 0; i < WARM_UP + TRIALS; i++) {
    const started = performance.now();
    const { askTrial } = await service.send(BenchAskTrialDocument, { studyId });
    const { id, params } = askTrial.trial!;
    const value = Object.values(params as Record<string, number>).reduce((sum, x) => sum + (x - 0.3) ** 2, 0);
    await service.send(BenchTellTrialDocument, { input: { trialId: id, values: [value] } });
    if (i >= WARM_UP) times.push(performance.now() - started);
  }
  return median(times);
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
