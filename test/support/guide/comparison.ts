import type { Guide } from './recorder.js';

/** Losses that a search over learning rates and depths could give, each setting with two seeds. */
const SWEEP = [0.3, 0.1, 0.03, 0.01].flatMap((lr, i) =>
  [2, 4].flatMap((depth, j) =>
    [1, 2].map((seed) => ({
      lr,
      depth,
      seed,
      loss: 0.3 + 0.08 * Math.abs(i - 1) + 0.03 * j + 0.004 * ((i + j + seed) % 3),
    })),
  ),
);

async function sweep(guide: Guide): Promise<{ experimentId: string; runIds: string[] }> {
  const hidden = { show: false };
  const { createExperiment } = await guide.run(
    'createExperiment',
    { name: 'sweep', description: 'Learning rates and depths.' },
    hidden,
  );
  const experimentId = createExperiment.experiment.id;
  const runIds: string[] = [];
  for (const { lr, depth, seed, loss } of SWEEP) {
    const params = Object.entries({ lr, depth, seed, optimizer: 'adam' }).map(([key, value]) => ({
      key,
      value: String(value),
    }));
    const input = { experimentId, name: `lr ${lr}, depth ${depth}, seed ${seed}`, params };
    const { createRun } = await guide.run('createRun', { input }, hidden);
    const metrics = [4, 2, 1].map((times, step) => ({ key: 'loss', value: loss * times, step }));
    await guide.run('logMetrics', { input: { runId: createRun.run.id, metrics } }, hidden);
    runIds.push(createRun.run.id);
  }
  return { experimentId, runIds };
}

/** Comparison of runs, analysis of many runs, and lineage. */
export async function comparisonChapter(guide: Guide, { versionId }: { versionId: string }): Promise<void> {
  guide.chapter(
    'Comparing runs',
    'Here a search over learning rates and depths has logged sixteen runs, two seeds for each setting. How ' +
      'the figures are made: [statistics](statistics.md).',
  );
  const { experimentId, runIds } = await sweep(guide);
  guide.task(
    'Lay runs side by side',
    'Against the first one, or `baselineRunId`. Runs that differ in nothing but a seed are repetitions, so ' +
      'that chance can be told from effect.',
  );
  await guide.run('compareRuns', { input: { runIds: [...runIds.slice(0, 2), ...runIds.slice(4, 6)] } });
  guide.task('Draw their curves on one axis');
  await guide.run('compareCurves', {
    input: { runIds: [runIds[0]!, runIds[4]!] },
    metricKeys: ['loss'],
    axis: 'STEP',
    maxPoints: 100,
  });
  guide.task(
    'See which parameters mattered',
    'Shares of the metric’s variance; `outOfBagR2` says how far to trust them.',
  );
  await guide.run('parameterImportance', { input: { filter: { experimentIds: [experimentId] }, metricKey: 'loss' } });
  guide.task('Draw parallel coordinates');
  await guide.run('parallelCoordinates', {
    input: { filter: { experimentIds: [experimentId] }, metricKeys: ['loss'], limit: 3 },
  });
  guide.chapter('Lineage');
  guide.task(
    'Ask where something came from',
    'Upstream to the data, downstream to what was served and written, or both; from any dataset, run, ' +
      'version, job, deployment, endpoint, file or alert.',
  );
  await guide.run('lineage', { input: { id: versionId, type: 'MODEL_VERSION', direction: 'UPSTREAM', depth: 2 } });
}
