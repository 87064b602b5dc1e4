import { AbTest } from '../../db/entities/ab-tests/ab-test.entity.js';
import type { Session } from '../../db/database.js';
import { badInput } from '../../errors.js';
import { checkRange } from '../core/index.js';
import { audit } from '../platform/index.js';
import { findEndpoint, REQUEST_KEY, type NamedEndpoint } from '../serving/index.js';
import { AB_TEST_RANGES } from './new-test.js';
import { addOutcomes, type OutcomeSums } from './stores/key-counts.js';

export interface NewOutcome {
  routingKey: string;
  metric: string;
  value: number;
  at?: Date | null;
}

export interface RecordedOutcomes {
  /** Outcomes that count for the A/B test of the endpoint. */
  recorded: number;
  /** Outcomes of metrics that its test does not have, or without a test. */
  unused: number;
}

/** What became of routing keys, as clients learn it later: purchases, clicks, cost. */
export class OutcomeService {
  async record(
    session: Session,
    { outcomes, ...endpoint }: NamedEndpoint & { outcomes: readonly NewOutcome[] },
  ): Promise<RecordedOutcomes> {
    checkRange(AB_TEST_RANGES.outcomes, outcomes, null, 'input.outcomes');
    outcomes.forEach(({ routingKey, value }, i) => {
      checkRange(REQUEST_KEY, routingKey, null, `input.outcomes[${i}].routingKey`);
      if (!Number.isFinite(value)) throw badInput(`input.outcomes[${i}].value`, 'a finite number', value);
    });
    const { id: endpointId } = await findEndpoint(session, endpoint, 'input');
    const { tenant, em } = session;
    const test = await em.findOne(AbTest, { tenant, endpointId, status: { $in: ['PLANNED', 'RUNNING'] } });
    const sums = new Map<string, OutcomeSums>();
    let recorded = 0;
    for (const { routingKey: key, metric, value, at } of test ? outcomes : []) {
      if (!test!.rules.metrics.some(({ name, source }) => name === metric && source === 'OUTCOME')) continue;
      recorded++;
      const id = `${metric}\u0000${key}`;
      const sum = sums.get(id) ?? { metric, key, count: 0, total: 0, pastCount: 0, pastTotal: 0 };
      sums.set(id, sum);
      if (test!.startedAt && (at ?? new Date()) >= test!.startedAt) {
        sum.count++;
        sum.total += value;
      } else {
        sum.pastCount++;
        sum.pastTotal += value;
      }
    }
    if (test) await addOutcomes(session, test.id, [...sums.values()]);
    const result = { recorded, unused: outcomes.length - recorded };
    audit(session, 'recordOutcomes', { type: 'endpoint', id: endpointId }, null, result);
    return result;
  }
}
