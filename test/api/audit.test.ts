import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serviceSchema } from '../../src/composition.js';
import { callOf } from '../support/id-sites.js';
import { hasBubblewrap } from '../support/scripts.js';
import { startTestService, type TestService } from '../support/service.js';
import { TrafficWriter } from '../support/traffic.js';
import { argumentsFrom, MUTATION_ARGUMENTS, World } from '../support/world.js';
import { AuditLogDocument } from '../../schema/generated/operations.js';

let service: TestService;
let traffic: TrafficWriter;
let world: World;

/** Mutations that write no audit row, and why. */
const WITHOUT_AUDIT: Record<string, string> = {
  appendRunLogs: 'thousands of lines; each is itself a record with its time',
  logMetrics: 'thousands of points a second; each point is itself a record with its time',
  predict: 'changes nothing; the prediction log keeps a sample',
};

beforeAll(async () => {
  service = await startTestService({
    ...{ MONITORING_INTERVAL_MS: '3600000', ALLOW_LOCAL_SCRIPTS: 'true', PUBLIC_URL: 'http://127.0.0.1:1' },
  });
  traffic = await TrafficWriter.connect(service.database.url);
  world = await World.create(service, traffic, 'acme');
});
afterAll(async () => {
  await world?.close();
  await traffic?.end();
  await service?.close();
});

describe('the audit log', () => {
  it('has a row for every mutation that was made, with its request', async () => {
    const mutations = Object.values((await serviceSchema()).getMutationType()!.getFields());
    const wrong: string[] = [];
    let audited = 0;
    for (const mutation of mutations) {
      // Without bubblewrap no script starts, and what was refused leaves no row.
      if (mutation.name === 'startScript' && !hasBubblewrap) continue;
      // They change nothing, and answer only where a language model runs: see language-models.test.ts.
      if (mutation.name === 'chat' || mutation.name === 'complete') continue;
      const argumentsOf = MUTATION_ARGUMENTS[mutation.name]?.[0];
      if (!argumentsOf) {
        wrong.push(`${mutation.name}: no arguments for it in test/support/world.ts`);
        continue;
      }
      const args = await argumentsFrom(world, argumentsOf);
      const { errors } = await world.caller.send(callOf('mutation', mutation, args), args);
      if (errors) {
        wrong.push(`${mutation.name}: ${errors[0]!.message}`);
        continue;
      }
      const { auditLog } = await world.caller.ok(AuditLogDocument, { first: 1, filter: { action: mutation.name } });
      const found = auditLog.nodes[0]?.actor === 'owner-of-acme';
      if (found === mutation.name in WITHOUT_AUDIT)
        wrong.push(`${mutation.name}: ${found ? 'an audit row, though listed as without' : 'no audit row'}`);
      if (found) audited++;
    }
    console.log(
      `audit: ${audited} of ${mutations.length} mutations leave a row, ` +
        `${Object.keys(WITHOUT_AUDIT).join(' and ')} need none`,
    );
    expect(wrong).toEqual([]);
  });
});
