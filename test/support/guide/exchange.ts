import { Role } from '../../../src/modules/core/rules/principal.js';
import type { Guide } from './recorder.js';

export async function exchangeChapter(guide: Guide, { experimentId }: { experimentId: string }): Promise<void> {
  guide.chapter(
    'Other tracking servers',
    'What comes over and how, and how to mirror outward: [exchange](exchange.md).',
  );
  guide.task('Import from MLflow', 'The job counts what it brings in its `outcome`; here nobody has the address.');
  const input = { trackingUri: 'https://mlflow.example.com', token: 'of-a-user-there', experimentNames: ['flights'] };
  const { importFromMlflow } = await guide.run('importFromMlflow', {
    input,
  });
  guide.task(
    'See what waits to be mirrored',
    'With MLFLOW_TRACKING_URI, changes go to that server too; here it is not set.',
  );
  await guide.run('mirrorStatus', {}, { as: Role.ADMIN });
  await guide.run('cancelJob', { jobId: importFromMlflow.job.id }, { show: false });
  guide.task('Put an experiment into one archive', 'The `artifactId` of the job’s outcome is for GET /artifacts/<id>.');
  const { exportExperiment } = await guide.run('exportExperiment', {
    input: { experimentId },
  });
  const { job } = await guide.until('job', { id: exportExperiment.job.id }, (data) => data.job.status === 'SUCCEEDED', {
    show: false,
  });
  guide.task('Bring it in', 'Upload the archive first: here, in another tenant or in another service.');
  const { url, token } = guide.caller();
  const artifactId = job.outcome && 'artifactId' in job.outcome ? job.outcome.artifactId : '';
  const archive = await fetch(`${url}/artifacts/${artifactId}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const { uploadId } = await guide.caller().upload('experiment.tar', Buffer.from(await archive.arrayBuffer()));
  await guide.run('importExperiment', { input: { uploadId, name: 'a copy' } });
}
