import { Role } from '../../../src/modules/core/rules/principal.js';
import type { LoggedDatasetInput, LogLineInput, RunSourceInput } from '../../../schema/generated/operations.js';
import type { Guide } from './recorder.js';

/** Nested runs, what they print and read, their notes, and how they are deleted permanently. */
export async function runLifeChapter(guide: Guide, { datasetId }: { datasetId: string }): Promise<void> {
  guide.chapter(
    'The life of a run',
    'For code that runs elsewhere; trainings of this service do most of this by themselves.',
  );
  const { createExperiment } = await guide.run(
    'createExperiment',
    { name: 'by hand', description: 'A search that runs elsewhere.' },
    { show: false },
  );
  const experimentId = createExperiment.experiment.id;
  guide.task(
    'Put runs in a run',
    'Each trial of a search names the search as its parent. Notes and source can come with the run, or later.',
  );
  const source: RunSourceInput = { type: 'LOCAL', name: 'search.py', gitCommit: '3f2a9c1', user: 'tess' };
  const { createRun: sweep } = await guide.run('createRun', {
    input: { experimentId, name: 'search', source },
  });
  const trials = [];
  for (const [i, loss] of [0.41, 0.37].entries()) {
    const input = {
      experimentId,
      name: `trial ${i + 1}`,
      parentRunId: sweep.run.id,
      params: [{ key: 'learning_rate', value: i ? '0.01' : '0.1' }],
    };
    const { createRun } = await guide.run('createRun', { input }, { show: i === 0 });
    await guide.run(
      'logMetrics',
      { input: { runId: createRun.run.id, metrics: [{ key: 'loss', value: loss, step: 1 }] } },
      { show: false },
    );
    trials.push(createRun.run.id);
  }
  const [first, second] = trials as [string, string];
  await guide.run('nestedRuns', { runId: sweep.run.id });
  await guide.run('updateRun', { input: { runId: sweep.run.id, description: 'The smaller rate wins.' } });

  guide.task(
    'Say what data it read',
    'A registered dataset by its id, any other by name and digest. MLflow’s `log_input` writes the same, and ' +
      'a digest that is a registered file’s SHA-256 is linked to it.',
  );
  const elsewhere: LoggedDatasetInput = {
    direction: 'OUTPUT',
    name: 'scores',
    digest: '9e107d9d',
    sourceType: 's3',
    source: '{"uri":"s3://bucket/scores.parquet"}',
  };
  await guide.run('logRunDatasets', {
    input: { runId: first, datasets: [{ datasetId, context: 'training' }, elsewhere] },
  });

  guide.task(
    'Stream what it prints',
    'Up to 1,000 lines a call. Followers get each line once and in order; `after` goes on where they stopped.',
  );
  const lines: LogLineInput[] = [
    { line: 'reading data' },
    { line: 'epoch 1: loss=0.41' },
    { line: 'learning rate is large', stream: 'STDERR' },
  ];
  await guide.run('appendRunLogs', { input: { runId: first, lines } });
  await guide.follow('followRunLogs', { runId: first, after: 0 }, (items) => items.length === lines.length);
  await guide.run('searchRunLogs', { runId: first, search: 'LOSS', last: 10 });

  guide.task(
    'End it, go on, clone it',
    'When a run ends, its log and its metric histories become the files `logs/run.log` and ' +
      '`metrics/history.json`. It can be taken up again, and ends again.',
  );
  await guide.run('finishRun', { input: { runId: first, status: 'FINISHED' } });
  await guide.until('runFiles', { runId: first }, ({ run }) => run.artifacts.length === 2);
  await guide.run('resumeRun', { runId: first });
  await guide.run('cloneRun', { input: { runId: second, name: 'trial 3' } });

  guide.task(
    'Delete, restore, collect',
    'Deleted things are out of the way, refuse writes and come back whole. An experiment takes its runs with it.',
  );
  await guide.run('deleteRun', { runId: second });
  await guide.refused('logMetrics', { input: { runId: second, metrics: [{ key: 'loss', value: 0.3 }] } });
  await guide.run('restoreRun', { runId: second });
  await guide.run('deleteExperiment', { id: experimentId });
  guide.say(
    'An administrator removes for good what was deleted long enough ago, here at once. What a registered ' +
      'version came from stays, and the result says so.',
  );
  const { collectGarbage } = await guide.run(
    'collectGarbage',
    { input: { olderThanDays: 0, experimentIds: [experimentId] } },
    { as: Role.ADMIN },
  );
  await guide.until('job', { id: collectGarbage.job.id }, ({ job }) => job.status === 'SUCCEEDED');
}
