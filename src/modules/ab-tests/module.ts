import { AbTest } from '../../db/entities/ab-tests/ab-test.entity.js';
import {
  AbTestKey,
  AbTestLook,
  AbTestOutcome,
  AbTestOutcomeId,
} from '../../db/entities/ab-tests/ab-test-counts.entity.js';
import { defineModule } from '../../define-module.js';
import { AbTestResolver, AbTestVariantResolver } from '../../resolvers/ab-tests/ab-test.resolver.js';
import { AB_TEST_EVENTS, AbTestDecider, AbTestService, KeyCounter, OutcomeService } from './index.js';

interface AbTestsServices {
  abTests: AbTestService;
  abTestDecider: AbTestDecider;
  keyCounter: KeyCounter;
  outcomes: OutcomeService;
}

declare module '../../services.js' {
  interface Services extends AbTestsServices {}
}

export default defineModule({
  name: 'ab-tests',
  events: AB_TEST_EVENTS,
  entities: [AbTest, AbTestKey, AbTestLook, AbTestOutcome, AbTestOutcomeId],
  createServices: ({ db, live, logger, services }): AbTestsServices => {
    const { deployments, gates, traffic } = services;
    const abTests = new AbTestService(live, deployments);
    const keyCounter = new KeyCounter(db, live, logger);
    traffic.onKeyed((answer) => keyCounter.count(answer));
    const abTestDecider = new AbTestDecider(db, abTests, gates, logger);
    return { abTests, abTestDecider, keyCounter, outcomes: new OutcomeService() };
  },
  resolvers: [AbTestResolver, AbTestVariantResolver],
  createTicks: ({ services: { abTestDecider }, config: { RECONCILE_INTERVAL_MS: intervalMs } }) => [
    { name: 'ab-tests', intervalMs, run: () => abTestDecider.tick() },
  ],
  createBackgroundWork: ({ services: { keyCounter } }) => [
    { in: 'api', start: () => keyCounter.start(), close: () => keyCounter.stop() },
  ],
});
