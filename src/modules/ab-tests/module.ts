import { AbTest } from '../../db/entities/ab-tests/ab-test.entity.js';
import {
  AbTestAnswer,
  AbTestKey,
  AbTestLook,
  AbTestOutcome,
  AbTestOutcomeId,
} from '../../db/entities/ab-tests/ab-test-counts.entity.js';
import { defineModule } from '../../define-module.js';
import { AbTestResolver, AbTestVariantResolver } from '../../resolvers/ab-tests/ab-test.resolver.js';
import {
  AB_TEST_EVENTS,
  AbTestDecider,
  AbTestService,
  AnswerKeeper,
  KeyCounter,
  OutcomeService,
  retentionsOfKeys,
} from './index.js';

interface AbTestsServices {
  abTests: AbTestService;
  abTestDecider: AbTestDecider;
  keptAnswers: AnswerKeeper;
  keyCounter: KeyCounter;
  outcomes: OutcomeService;
}

declare module '../../services.js' {
  interface Services extends AbTestsServices {}
}

export default defineModule({
  name: 'ab-tests',
  events: AB_TEST_EVENTS,
  entities: [AbTest, AbTestAnswer, AbTestKey, AbTestLook, AbTestOutcome, AbTestOutcomeId],
  createServices: ({ db, live, logger, services, config }): AbTestsServices => {
    const { deployments, gates, retention, traffic } = services;
    const { AB_TEST_KEY_DAYS: keyDays, AB_TEST_MAX_ROWS: maxRows } = config;
    const abTests = new AbTestService(live, deployments, maxRows);
    const keptAnswers = new AnswerKeeper(db);
    const keyCounter = new KeyCounter(db, keptAnswers, live, logger, maxRows);
    traffic.onKeyed((answer) => keyCounter.count(answer));
    const abTestDecider = new AbTestDecider(db, abTests, gates, logger);
    for (const log of retentionsOfKeys(keyDays)) retention.add(log);
    return { abTests, abTestDecider, keptAnswers, keyCounter, outcomes: new OutcomeService(maxRows) };
  },
  resolvers: [AbTestResolver, AbTestVariantResolver],
  createTicks: ({ services: { abTestDecider }, config: { RECONCILE_INTERVAL_MS: intervalMs } }) => [
    { name: 'ab-tests', intervalMs, run: () => abTestDecider.tick() },
  ],
  createBackgroundWork: ({ services: { keyCounter } }) => [
    { in: 'api', start: () => keyCounter.start(), close: () => keyCounter.stop() },
  ],
});
