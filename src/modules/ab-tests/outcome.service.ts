import { AbTest } from '../../db/entities/ab-tests/ab-test.entity.js';
import type { Session } from '../../db/database.js';
import { AppError, badInput, conflict, ErrorCode } from '../../errors.js';
import { checkRange } from '../core/index.js';
import { audit } from '../platform/index.js';
import { findEndpoint, REQUEST_KEY, type NamedEndpoint } from '../serving/index.js';
import { AB_TEST_RANGES } from './new-test.js';
import { addOutcomeRows, addOutcomes, type OutcomeSums } from './stores/key-counts.js';
import { keepOutcomeIds } from './stores/outcome-ids.js';

export interface NewOutcome {
  /** The client's own; an outcome that comes again under it counts once. */
  id?: string | null;
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
  /** Outcomes that had been recorded before, by their ids. */
  repeated: number;
}

/** What became of routing keys, as clients learn it later: purchases, clicks, cost. */
export class OutcomeService {
  constructor(private readonly maxRows: number) {}

  async record(
    session: Session,
    { outcomes, ...endpoint }: NamedEndpoint & { outcomes: readonly NewOutcome[] },
  ): Promise<RecordedOutcomes> {
    checkRange(AB_TEST_RANGES.outcomes, outcomes, null, 'input.outcomes');
    outcomes.forEach(({ id, routingKey, value }, i) => {
      if (id != null) checkRange(REQUEST_KEY, id, null, `input.outcomes[${i}].id`);
      checkRange(REQUEST_KEY, routingKey, null, `input.outcomes[${i}].routingKey`);
      if (!Number.isFinite(value)) throw badInput(`input.outcomes[${i}].value`, 'a finite number', value);
    });
    const { id: endpointId } = await findEndpoint(session, endpoint, 'input');
    const { tenant, em } = session;
    const test = await em.findOne(AbTest, { tenant, endpointId, status: { $in: ['PLANNED', 'RUNNING'] } });
    const sums = new Map<string, OutcomeSums>();
    const used = outcomes
      .map((outcome, i) => ({ outcome, field: `input.outcomes[${i}].id` }))
      .filter(({ outcome: { metric } }) =>
        test?.rules.metrics.some(({ name, source }) => name === metric && source === 'OUTCOME'),
      );
    const isNew = test ? await newOutcomes(session, test.id, used) : [];
    for (const { routingKey: key, metric, value, at } of isNew) {
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
    if (test) {
      const newIds = new Set(isNew.flatMap(({ id }) => id ?? [])).size;
      const newRows = newIds + (await addOutcomes(session, test.id, [...sums.values()]));
      if (newRows > 0 && (await addOutcomeRows(session, test.id, newRows)) > this.maxRows)
        throw new AppError(
          ErrorCode.RESOURCE_EXHAUSTED,
          `The outcomes of an A/B test have at most ${this.maxRows} rows (AB_TEST_MAX_ROWS): one per routing key and ` +
            'metric, and one per outcome with an id. None of this call was recorded; those of known keys without an id ' +
            'still are.',
          { field: 'input.outcomes', expected: `at most ${this.maxRows} rows in all`, got: `${newRows} new rows` },
        );
    }
    const result = {
      recorded: isNew.length,
      unused: outcomes.length - used.length,
      repeated: used.length - isNew.length,
    };
    audit(session, 'recordOutcomes', { type: 'endpoint', id: endpointId }, null, result);
    return result;
  }
}

/** Without those that were recorded before, or that come twice. CONFLICT where an id stood for something else. */
async function newOutcomes(
  session: Session,
  testId: string,
  given: readonly { outcome: NewOutcome; field: string }[],
): Promise<NewOutcome[]> {
  const contents = new Map<string, string>();
  const isNew: NewOutcome[] = [];
  const check = (said: string | undefined, { outcome, field }: (typeof given)[number]): void => {
    if (said === undefined || said === contentOf(outcome)) return;
    throw conflict('This id stands for another outcome: repeat an outcome unchanged, or give it an id of its own.', {
      field,
      expected: 'the same routing key, metric, value and time as before',
      got: outcome.id ?? undefined,
    });
  };
  for (const one of given) {
    const { id } = one.outcome;
    if (id == null || !contents.has(id)) isNew.push(one.outcome);
    else check(contents.get(id), one);
    if (id != null) contents.set(id, contentOf(one.outcome));
  }
  const known = await keepOutcomeIds(session, testId, contents);
  for (const one of given) if (one.outcome.id != null) check(known.get(one.outcome.id), one);
  return isNew.filter(({ id }) => id == null || !known.has(id));
}

function contentOf({ routingKey, metric, value, at }: NewOutcome): string {
  return JSON.stringify([routingKey, metric, value, at?.toISOString() ?? null]);
}
