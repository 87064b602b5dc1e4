import { Role } from '../../../src/domain/platform/principal.js';
import type { Guide } from './recorder.js';

export async function exchangeChapter(guide: Guide): Promise<void> {
  guide.chapter('Other tracking servers', 'What comes over and how, and how to mirror outward: [exchange](exchange.md).');
  guide.task('Import from MLflow', 'The job counts what it brings in its `result`; here nobody has the address.');
  const input = { trackingUri: 'https://mlflow.example.com', token: 'of-a-user-there', experimentNames: ['flights'] };
  const { importFromMlflow } = await guide.run<{ importFromMlflow: { job: { id: string } } }>('importFromMlflow', { input });
  guide.task('See what waits to be mirrored', 'With MLFLOW_TRACKING_URI, changes go to that server too; here it is not set.');
  await guide.run('mirrorStatus', {}, { as: Role.ADMIN });
  await guide.run('cancelJob', { jobId: importFromMlflow.job.id }, { show: false });
}
