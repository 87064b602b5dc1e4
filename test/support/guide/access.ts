import { Role } from '../../../src/modules/core/rules/principal.js';
import type { IssueAccessTokenInput } from '../../../schema/generated/operations.js';
import type { Guide } from './recorder.js';

const ENDPOINT = 'penguins';

/** Ground truth of predictions, and the quality of the endpoint measured with it. */
export async function groundTruthChapter(guide: Guide): Promise<void> {
  guide.chapter(
    'Ground truth',
    'What turns out to be true later is recorded by request id and row. How it is kept: [REST and ' +
      'tokens](rest.md#ground-truth).',
  );
  const row = { beak_length: 46.1, beak_depth: 13.2, body_mass: 4500, island: 'Biscoe' };
  await guide.run('predict', { endpoint: ENDPOINT, rows: [row] }, { show: false });
  await guide.service.app.context.services.traffic.flush();
  guide.task(
    'Read predictions back',
    'The log has the requests of the endpoint’s sample, for 30 days; the query `prediction` finds one by its id.',
  );
  const { predictions } = await guide.run('loggedPredictions', {
    endpoint: ENDPOINT,
    first: 1,
  });
  guide.task(
    'Say what was true',
    'Good records are taken, every other one is named. The same truth again changes nothing.',
  );
  const { requestId } = predictions.nodes[0]!;
  const records = [
    { requestId, row: 0, label: 'Gentoo' },
    { requestId, row: 7, label: 'Adelie' },
  ];
  await guide.run('recordGroundTruth', { endpoint: ENDPOINT, records });
  guide.task('See how good it is', 'Over the rows whose truth is known, in total and day by day.');
  await guide.run('liveQuality', { endpoint: ENDPOINT });
}

/** Tokens that the service itself issues. */
export async function accessChapter(guide: Guide): Promise<void> {
  const as = Role.ADMIN;
  guide.chapter('Tokens', 'By role, life and scope: [what the scopes allow](rest.md#tokens). For admins.');
  guide.task('Issue a token', 'One that can do nothing but predict at one endpoint. It is shown this once.');
  const input: IssueAccessTokenInput = {
    name: 'checkout',
    role: 'VIEWER',
    scope: 'PREDICT',
    endpointNames: [ENDPOINT],
    lifeSeconds: 30 * 24 * 3_600,
  };
  const { issueAccessToken } = await guide.run('issueAccessToken', { input }, { as });
  guide.task('See which tokens there are');
  await guide.run('accessTokens', { filter: { active: true } }, { as });
  guide.task('Revoke one', 'Every process refuses it within five seconds, and its subscriptions end.');
  await guide.run('revokeAccessToken', { id: issueAccessToken.accessToken.id }, { as });
}
