import type { Guide } from './recorder.js';
import type { Registry } from './registry.js';

/** The calls of a script that runs repeatedly: here all objects exist already. */
export async function scriptingChapter(
  guide: Guide,
  { modelId, versionId }: Pick<Registry, 'modelId'> & { versionId: string },
): Promise<void> {
  guide.chapter(
    'Scripts that run twice',
    'Look-ups by name, calls that give what is there or make it, and calls that wait: ' +
      '[scripting](scripting.md) has a whole script.',
  );
  guide.task(
    'Find things by their names',
    'NOT_FOUND says that there is none. A dataset is its newest version unless `version` names another.',
  );
  await guide.run('findByName', {
    experiment: 'penguins',
    dataset: 'penguins',
    model: 'penguin-species',
    stage: 'PRODUCTION',
    endpoint: 'penguins',
  });

  guide.task('Get or create', '`created` tells which it was. What is there stays as it is.');
  await guide.run('getOrCreateExperiment', { name: 'penguins' });
  await guide.run('getOrCreateModel', {
    input: { name: 'penguin-species', task: 'CLASSIFICATION', modelType: 'LOGISTIC_REGRESSION' },
  });
  await guide.run('getOrCreateEndpoint', {
    input: { name: 'penguins', modelId, followStage: 'PRODUCTION', waitMs: 60_000 },
  });

  guide.task(
    'Release a version',
    'It is evaluated, validated and promoted as far as its gates let it; what has passed is not done again. ' +
      'Here it is in PRODUCTION already.',
  );
  await guide.run('releaseModelVersion', {
    input: { modelVersionId: versionId, targetStage: 'PRODUCTION', waitMs: 60_000 },
  });
}
