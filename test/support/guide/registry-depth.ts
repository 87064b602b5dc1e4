import { Role } from '../../../src/modules/core/rules/principal.js';
import type { Guide } from './recorder.js';
import type { Registry } from './registry.js';

/**
 * What people add to versions: aliases, tags, gate policies, approvals, comments. The first version is in DEVELOPMENT
 * again.
 */
export async function agreementChapter(
  guide: Guide,
  { modelId, firstVersionId: modelVersionId }: Registry,
): Promise<void> {
  guide.chapter(
    'Names, tags and approvals',
    'Aliases and tags say what versions are to your team; a gate policy says what a model must show and who ' +
      'must agree.',
  );
  guide.task(
    'Aliases',
    'A name for one version at a time. Setting it again moves it; the MLflow client knows the same aliases.',
  );
  await guide.run('setModelAlias', { modelId, modelVersionId, alias: 'challenger' });
  await guide.run('modelVersionByAlias', { modelName: 'penguin-species', alias: 'challenger' });
  await guide.run('deleteModelAlias', { modelId, alias: 'challenger' });

  guide.task(
    'Tags and search',
    'Single tags are set beside the others. Search looks into names, descriptions and tags.',
  );
  await guide.run('setModelVersionTags', { modelVersionId, tags: [{ key: 'reviewed', value: 'field team' }] });
  await guide.run('searchModelVersions', { filter: { search: 'field team', framework: 'onnx' } });

  guide.task(
    'A gate policy',
    'Departures from the [default demands](concepts.md#gates-and-their-numbers) of one model; what is absent ' +
      'stays at its default. ADMIN only.',
  );
  const policy = {
    staging: { approvals: 1 },
    production: { approvals: 2 },
    validation: { metrics: [{ name: 'roc_auc', min: 0.9 }] },
  };
  await guide.run('setGatePolicy', { modelId, policy }, { as: Role.ADMIN });

  guide.task(
    'Approvals',
    'Who registered a version cannot approve it. The newest word of each person counts until the version ' +
      'leaves its stage.',
  );
  await guide.refused('approveModelVersion', { modelVersionId, toStage: 'STAGING' });
  await guide.run(
    'rejectModelVersion',
    { modelVersionId, toStage: 'STAGING', reason: 'Chinstraps are still confused' },
    { as: Role.ADMIN },
  );
  await guide.refused('promoteModelVersion', { modelVersionId, toStage: 'STAGING' });
  await guide.run(
    'approveModelVersion',
    { modelVersionId, toStage: 'STAGING', reason: 'fine for a trial' },
    { as: Role.ADMIN },
  );
  await guide.run('setGatePolicy', { modelId, policy: null }, { as: Role.ADMIN, show: false });

  guide.task(
    'Comments',
    'On a model or a version: plain text, changed by its author, removed by the author or an ADMIN.',
  );
  await guide.run('createModelComment', { modelVersionId, body: 'Confuses Chinstraps with Adelies below 40 mm.' });
  await guide.run('modelComments', { modelId });

  guide.task('Where a version stood at a time');
  await guide.run('stageAt', { modelVersionId, at: new Date().toISOString() });

  guide.task(
    'The timeline of a model',
    'Registrations, stages, aliases, approvals and comments in one list, newest first.',
  );
  await guide.run('modelTimeline', { modelId, first: 4 });
}
