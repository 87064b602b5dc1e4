import type { EndpointTrafficQuery, EventFilterInput } from '../../../schema/generated/operations.js';
import type { Guide } from './recorder.js';
import { penguinRows, sendTraffic } from './serving.js';

/** Traffic that differs from the training rows: the alert, what it starts, and its end. */
export async function monitoringChapter(
  guide: Guide,
  { modelId, endpointId }: { modelId: string; endpointId: string },
): Promise<void> {
  guide.chapter(
    'Monitoring',
    'Logged traffic is compared, window by window, with the reference that the training left. The service ' +
      'looks by itself (`MONITORING_INTERVAL_MS`), or when told to.',
  );
  guide.task(
    'Retrain on drift',
    'The policy names the alerts that start a training on the newest version of a dataset, how often at ' +
      'most, and how many in 30 days.',
  );
  await guide.run('setRetrainingPolicy', {
    input: {
      modelId,
      enabled: true,
      alertKinds: ['DRIFT'],
      datasetName: 'penguins',
      cooldownMs: 86_400_000,
      budgetPer30Days: 4,
    },
  });
  guide.task('Look at the traffic now', 'Here after 210 requests for penguins as heavy as none that were measured.');
  const live = ({ endpoint }: EndpointTrafficQuery) =>
    endpoint.deployments.find(
      ({ mode, status, modelVersion }) => mode === 'LIVE' && status === 'READY' && modelVersion.version === 2,
    );
  const deploymentId =
    live(
      await guide.until('endpointTraffic', { endpointId }, (data) => live(data) !== undefined, {
        show: false,
      }),
    )?.id ?? '';
  const heavy = penguinRows()
    .slice(0, 210)
    .map((row) => ({ ...row, body_mass: Number(row['body_mass'] ?? 4_000) * 1.6, island: 'Biscoe' }));
  await sendTraffic(guide, heavy);
  const { runMonitoring } = await guide.run('runMonitoring', { deploymentId });
  await guide.run('monitoringWindows', { deploymentId, first: 1 });
  guide.task(
    'Alerts',
    'One alert per deployment and kind is open at a time. It resolves by itself after two clean windows, or by hand.',
  );
  await guide.run('alerts', { filter: { modelId, status: 'OPEN' } });
  const alertId = runMonitoring.alerts[0]?.id ?? '';
  guide.say('The policy has started a training:');
  await guide.service.app.context.services.retraining.tick();
  const { events } = await guide.run('retrainingEvents', {
    alertId,
  });
  const { jobId } = events.nodes[0]!.payload as { jobId: string };
  await guide.run('cancelJob', { jobId }, { show: false });
  await guide.run('resolveAlert', { alertId, reason: 'A scale was broken.' });
  await guide.follow('followAlerts', { modelId, after: 0 }, (items) =>
    items.some(({ change }) => change === 'RESOLVED'),
  );
}

/** All events, as a stream that can be resumed. */
export async function eventsChapter(guide: Guide, { modelId }: { modelId: string }): Promise<void> {
  guide.chapter('Events', 'What happens in a model’s life, in the order in which it became true, each exactly once.');
  guide.task(
    'Follow the lifecycle',
    '`after` is the last `seq` that you have handled: 0 for all there is, absent for what is new.',
  );
  const filter: EventFilterInput = {
    modelId,
    types: ['MODEL_REGISTERED', 'MODEL_STAGE_CHANGED', 'MODEL_DRIFT_DETECTED'],
  };
  const items = await guide.follow(
    'followEvents',
    { filter, after: 0 },
    (events) => events.some(({ type }) => type === 'MODEL_DRIFT_DETECTED'),
    (events) => events.slice(0, 2),
  );
  guide.say('Cut off after the second of them, a client goes on where it was:');
  await guide.follow('followEvents', { filter, after: items[1]?.seq }, (events) => events.length >= 2);
}
