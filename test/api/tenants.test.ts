import { randomUUID } from 'node:crypto';
import type { GraphQLSchema } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serviceSchema } from '../../src/composition.js';
import { callOf, type IdSite, idSites, nestedIdSites, siteName, valueAt, withValueAt } from '../support/id-sites.js';
import type { Caller, GraphQLErrorShape } from '../support/service.js';
import { startTestService, type TestService } from '../support/service.js';
import { TrafficWriter } from '../support/traffic.js';
import { argumentsFrom, MUTATION_ARGUMENTS, READ_ARGUMENTS, World } from '../support/world.js';

let service: TestService;
let traffic: TrafficWriter;
let schema: GraphQLSchema;
let owner: World;
let stranger: World;

const ARGUMENTS = { ...READ_ARGUMENTS, ...MUTATION_ARGUMENTS };
/** How long to wait for a subscription that must be refused, and for one that must not. */
const REFUSED_WITHIN_MS = 10_000;
const RUNS_FOR_MS = 300;

beforeAll(async () => {
  service = await startTestService({ MONITORING_INTERVAL_MS: '3600000' });
  traffic = await TrafficWriter.connect(service.database.url);
  [schema, owner, stranger] = await Promise.all([
    serviceSchema(),
    World.create(service, traffic, 'owner'),
    World.create(service, traffic, 'stranger'),
  ]);
});
afterAll(async () => {
  await owner?.close();
  await stranger?.close();
  await traffic?.end();
  await service?.close();
});

/** The same call with objects of each of the two tenants. */
interface Call {
  owner: Record<string, unknown>;
  stranger: Record<string, unknown>;
}

async function callsOf(field: string): Promise<Call[]> {
  return Promise.all(
    (ARGUMENTS[field] ?? []).map(async (argumentsOf) => ({
      owner: await argumentsFrom(owner, argumentsOf),
      stranger: await argumentsFrom(stranger, argumentsOf),
    })),
  );
}

/** Code and message of the errors of a call; empty when it succeeds. */
async function errorsOf(
  caller: Caller,
  site: IdSite,
  args: Record<string, unknown>,
  waitMs = REFUSED_WITHIN_MS,
): Promise<string[]> {
  const query = callOf(site.operation, schema.getRootType(site.operation as never)!.getFields()[site.field]!, args);
  if (site.operation !== 'subscription') return ((await caller.send(query, args)).errors ?? []).map(shown);
  return subscriptionErrors(caller, query, args, waitMs);
}

function shown({ extensions, message }: GraphQLErrorShape): string {
  return `${extensions.code}: ${message}`;
}

async function subscriptionErrors(
  caller: Caller,
  query: string,
  variables: Record<string, unknown>,
  waitMs: number,
): Promise<string[]> {
  const client = caller.socket();
  try {
    return await new Promise<string[]>((resolve) => {
      const waited = setTimeout(() => resolve([]), waitMs);
      client.subscribe(
        { query, variables },
        {
          next: ({ errors }) => resolve(((errors ?? []) as unknown as GraphQLErrorShape[]).map(shown)),
          error: (errors) => resolve((errors as unknown as GraphQLErrorShape[]).map(shown)),
          complete: () => (clearTimeout(waited), resolve([])),
        },
      );
    });
  } finally {
    await client.dispose();
  }
}

describe('ids of another tenant', () => {
  it('give NOT_FOUND at every id argument of the schema, like absent ones, and work for their owner', async () => {
    const sites = idSites(schema);
    const wrong: string[] = [];
    const calls = new Map<string, Call[]>();
    for (const { field } of sites) calls.set(field, calls.get(field) ?? (await callsOf(field)));
    for (const site of sites) {
      let tried = 0;
      for (const call of calls.get(site.field)!) {
        const foreign = valueAt(call.owner, site.path);
        if (foreign === undefined) continue;
        tried++;
        const errors = await errorsOf(stranger.caller, site, withValueAt(call.stranger, site.path, foreign));
        if (errors.length !== 1 || !errors[0]!.startsWith('NOT_FOUND'))
          wrong.push(`${siteName(site)}: a stranger gets ${errors.join(', ') || 'an answer'}`);
        const absent = randomUUID();
        const [other] = await errorsOf(stranger.caller, site, withValueAt(call.stranger, site.path, absent));
        if (other?.replace(absent, '') !== errors[0]?.replace(String(foreign), ''))
          wrong.push(`${siteName(site)}: an absent id gives ${other}`);
      }
      if (tried === 0) wrong.push(`${siteName(site)}: no arguments for it in test/support/world.ts`);
    }
    // The objects that other tenants tried to reach, which must be unchanged.
    const fields = [...new Map(sites.map((site) => [site.field, site])).values()];
    for (const site of fields) {
      for (const call of calls.get(site.field)!) {
        const errors = await errorsOf(owner.caller, site, call.owner, RUNS_FOR_MS);
        if (errors.some((error) => error.startsWith('NOT_FOUND')))
          wrong.push(`${site.operation} ${site.field}: its owner gets ${errors.join(', ')}`);
      }
    }
    console.log(
      `tenants: ${sites.length} id arguments of ${fields.length} root fields tried with another tenant's ids ` +
        'and with absent ones',
    );
    expect(wrong).toEqual([]);
  });

  it('are only arguments of root fields, which one guard checks', () => {
    expect(nestedIdSites(schema)).toEqual([]);
  });
});
