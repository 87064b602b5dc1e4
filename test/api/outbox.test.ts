import { afterEach, expect, it } from 'vitest';
import { defineModule } from '../../src/define-module.js';
import { loadModules } from '../../src/modules.js';
import type { ObjectChange } from '../../src/modules/platform/index.js';
import { createDatabaseFromTemplate, type TestDatabase } from '../support/database.js';
import { startTestService, type TestService } from '../support/service.js';
import { createRun, query } from '../support/tracking.js';
import { createExperiment } from '../support/training.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Starts a service in which another subscriber gets changes; `works` says whether it can take them. */
async function startWithSubscriber(database: TestDatabase, works: () => boolean) {
  const got: ObjectChange[] = [];
  const subscriber = defineModule({
    name: 'follower',
    createServices: ({ services }) => {
      services.events.subscribe({
        onChanged: async (_em, changes) => {
          if (!works()) throw new Error('The subscriber fails.');
          got.push(...changes);
        },
      });
      return {};
    },
  });
  const service = await startTestService({ LOG_LEVEL: 'silent' }, database, [...(await loadModules()), subscriber]);
  return { service, got };
}

const waiting = (service: TestService) => query<{ type: string }>(service, 'select type, object_id from object_change');

it('changes wait in the outbox until the subscriber has got them, over a failure and a new start', async () => {
  const database = await createDatabaseFromTemplate();
  cleanups.push(() => database.drop());
  const first = await startWithSubscriber(database, () => false);
  const caller = await first.service.as();
  const experimentId = await createExperiment(caller);
  const runId = await createRun(caller, { experimentId });
  expect(await waiting(first.service)).toEqual(
    expect.arrayContaining([
      { type: 'experiment', object_id: experimentId },
      { type: 'run', object_id: runId },
    ]),
  );
  // Several turns of the relay.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(first.got).toEqual([]);
  await first.service.close();

  const second = await startWithSubscriber(database, () => true);
  cleanups.push(() => second.service.close());
  await expect.poll(() => waiting(second.service), { timeout: 10_000 }).toEqual([]);
  expect(second.got).toEqual(
    expect.arrayContaining([
      { tenant: 'acme', type: 'experiment', objectId: experimentId },
      { tenant: 'acme', type: 'run', objectId: runId },
    ]),
  );
});

it('nothing is written down where nobody subscribes', async () => {
  const service = await startTestService();
  cleanups.push(() => service.close());
  await createExperiment(await service.as());
  expect(await waiting(service)).toEqual([]);
});
