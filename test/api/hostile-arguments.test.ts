// One file because its tests share one running service, which takes longer to start than most of the tests.
import { randomBytes } from 'node:crypto';
import {
  getNullableType,
  type GraphQLInputType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serviceSchema } from '../../src/composition.js';
import { callOf, siteName, valueAt, withValueAt, type IdSite } from '../support/id-sites.js';
import { startTestService, type GraphQLErrorShape, type TestService } from '../support/service.js';
import { TrafficWriter } from '../support/traffic.js';
import { argumentsFrom, MUTATION_ARGUMENTS, READ_ARGUMENTS, World } from '../support/world.js';

let service: TestService;
let traffic: TrafficWriter;
let schema: GraphQLSchema;
let world: World;

beforeAll(async () => {
  service = await startTestService({ MONITORING_INTERVAL_MS: '3600000' });
  traffic = await TrafficWriter.connect(service.database.url);
  [schema, world] = await Promise.all([serviceSchema(), World.create(service, traffic, 'acme')]);
});
afterAll(async () => {
  await world?.close();
  await traffic?.end();
  await service?.close();
});

/** JSON has no infinity, but `1e400` is parsed as infinity. */
const INFINITE = '@1e400@';
const NUL = 'a\0b';
const SURROGATE = 'a\ud800b';
const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth));
/** A text that PostgreSQL cannot compress enough for an index. */
const NOISE = randomBytes(3_000).toString('hex').slice(0, 5_000);
const PROTO: unknown = JSON.parse('{"__PROTO__": 1}');

/** Values that an argument of this type must always refuse. */
const WRONG: Record<string, unknown[]> = {
  ID: [
    '',
    'x',
    '1e400',
    NUL,
    SURROGATE,
    `' or 1=1 --`,
    '../../etc/passwd',
    'x'.repeat(200_000),
    7,
    true,
    {},
    [],
    '01a1fedb-904e-7148-ad0f-33f9595d7d0f\n',
  ],
  String: [NUL, SURROGATE, 'x'.repeat(120_000), 7, true, {}, [], ['x']],
  Int: [1.5, '1', 2 ** 31, -(2 ** 31) - 1, INFINITE, true, {}, []],
  Float: ['1', INFINITE, true, {}, [], 'NaN'],
  SafeInt: [1.5, '1', 2 ** 53, -(2 ** 53), INFINITE, true, {}, []],
  Boolean: ['true', 1, 0, {}, []],
  DateTimeISO: [
    '',
    'yesterday',
    '2026-02-30T00:00:00Z',
    '2026-01-01',
    NUL,
    true,
    {},
    [],
    '+012026-01-01T00:00:00Z',
    INFINITE,
  ],
  MetricValue: ['x', '', 'toString', '__proto__', true, {}, []],
  JSON: [NUL, SURROGATE, INFINITE, { [NUL]: 1 }, { a: SURROGATE }, nested(40), nested(1000), PROTO],
  TensorData: ['x', 7, {}, true, nested(1000)],
};

/** Values that some arguments accept and others refuse; none may cause a fault of the service. */
const ODD: Record<string, unknown[]> = {
  String: [
    '',
    ' ',
    '\u200b',
    'a\nb',
    '%'.repeat(300),
    `'; drop table run; --`,
    '__proto__',
    'constructor',
    '../x',
    'x'.repeat(5_000),
    NOISE,
    '<script>alert(1)</script>',
    '=1+1',
  ],
  Int: [0, -1, 2 ** 31 - 1, -(2 ** 31)],
  Float: [0, -1, 1e308, -1e308, 5e-324],
  SafeInt: [0, -1, 2 ** 53 - 1, -(2 ** 53 - 1)],
  DateTimeISO: ['0000-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z', '2016-12-31T23:59:60Z'],
  MetricValue: ['NaN', 'Infinity', '-Infinity', 1e308, -0],
  JSON: [null, 1, 'x', [], {}, { constructor: 1 }, { toString: {} }, nested(20)],
  TensorData: [[], [null], [[1]], [{}], ['x'], [INFINITE], [NUL], [SURROGATE], [true], [1e39]],
};

interface Try {
  site: IdSite;
  args: Record<string, unknown>;
  what: string;
  mustFail: boolean;
}

/** Every place within an argument, with its type. An input type is visited once, because its check is compiled once. */
function places(
  type: GraphQLInputType,
  path: string[],
  entered: Set<string>,
): { path: string[]; type: GraphQLInputType }[] {
  const bare = getNullableType(type);
  const here = { path, type };
  if (isListType(bare)) return [here, ...places(bare.ofType, [...path, '*'], entered)];
  if (!isInputObjectType(bare) || entered.has(bare.name)) return [here];
  entered.add(bare.name);
  return [
    here,
    ...Object.values(bare.getFields()).flatMap((field) => places(field.type, [...path, field.name], entered)),
  ];
}

/** The smallest value that a type accepts, for places without a fixture. */
function sample(type: GraphQLInputType): unknown {
  const bare = getNullableType(type);
  if (isListType(bare)) return [sample(bare.ofType)];
  if (isEnumType(bare)) return bare.getValues()[0]?.name;
  if (isInputObjectType(bare)) {
    const needed = Object.values(bare.getFields()).filter(
      (field) => isNonNullType(field.type) && field.defaultValue === undefined,
    );
    return Object.fromEntries(needed.map((field) => [field.name, sample(field.type)]));
  }
  const scalars: Record<string, unknown> = {
    ID: world.things.runId,
    String: 'x',
    Int: 1,
    Float: 0.5,
    SafeInt: 1,
    Boolean: true,
    DateTimeISO: '2026-01-01T00:00:00Z',
    MetricValue: 1,
    JSON: {},
    TensorData: [1],
  };
  return scalars[(bare as { name: string }).name];
}

/** Creates the objects on the way to a place, so that a value can be set there. */
function withWay(
  args: Record<string, unknown>,
  path: readonly string[],
  type: (path: readonly string[]) => GraphQLInputType,
): Record<string, unknown> {
  let filled = args;
  for (let length = 1; length < path.length; length++) {
    const way = path.slice(0, length);
    const value = valueAt(filled, way);
    if (value === undefined || value === null || (Array.isArray(value) && value.length === 0))
      filled = withValueAt(filled, way, sample(type(way)));
  }
  return filled;
}

function values(type: GraphQLInputType): { value: unknown; mustFail: boolean }[] {
  const bare = getNullableType(type);
  const wrong = (list: unknown[]) => list.map((value) => ({ value, mustFail: true }));
  const odd = (list: unknown[]) => list.map((value) => ({ value, mustFail: false }));
  const nothing = isNonNullType(type) ? wrong([null]) : odd([null]);
  if (isListType(bare)) {
    const item = getNullableType(bare.ofType);
    const isScalarList = !isInputObjectType(item);
    return [
      ...nothing,
      ...(isNonNullType(bare.ofType) ? wrong([[null]]) : []),
      ...(isScalarList ? [] : wrong(['x', 7])),
      ...odd([[]]),
      ...(isScalarList && String(item) !== 'JSON' ? wrong : odd)([
        Array.from({ length: 10_001 }, () => sample(bare.ofType)),
      ]),
    ];
  }
  if (isInputObjectType(bare)) return [...nothing, ...wrong(['x', 7, [], { ...(sample(bare) as object), nope: 1 }])];
  if (isEnumType(bare)) return [...nothing, ...wrong(['NOPE', '__proto__', 'constructor', '', 7, {}, [], NUL])];
  const { name } = bare as { name: string };
  return [...nothing, ...wrong(WRONG[name] ?? []), ...odd(ODD[name] ?? [])];
}

const show = (value: unknown) => {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 60 ? `${text.slice(0, 60)}… (${text.length})` : text;
};

async function send(
  query: string,
  variables: Record<string, unknown>,
): Promise<{ status: number; errors: GraphQLErrorShape[] }> {
  const body = JSON.stringify({ query, variables })
    .replaceAll(`"${INFINITE}"`, '1e400')
    .replaceAll('__PROTO__', '__pr\\u006fto__');
  const response = await fetch(`${world.caller.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${world.caller.token}` },
    body,
  });
  const answer = (await response.json()) as { errors?: GraphQLErrorShape[]; error?: { code: string; message: string } };
  if (answer.error)
    return {
      status: response.status,
      errors: [{ message: answer.error.message, extensions: { code: answer.error.code, field: 'body' } }],
    };
  return { status: response.status, errors: answer.errors ?? [] };
}

/** Texts whose range is longer than the longest hostile one: documents of a client's own. */
const LONG_TEXTS = ['logRunDatasets input.datasets.*.profile', 'logRunDatasets input.datasets.*.schema'];

/** Calls with one hostile value each, at every place of every argument of the schema. */
async function tries(operation: 'query' | 'mutation'): Promise<Try[]> {
  const all: Try[] = [];
  const entered = new Set<string>();
  for (const field of Object.values(schema.getRootType(operation as never)!.getFields())) {
    const fixtures = (operation === 'query' ? READ_ARGUMENTS : MUTATION_ARGUMENTS)[field.name];
    const base = fixtures?.[0] ? await argumentsFrom(world, fixtures[0]) : {};
    for (const arg of field.args) {
      const found = places(arg.type, [arg.name], entered);
      const typeAt = (path: readonly string[]) => found.find((place) => place.path.join('.') === path.join('.'))!.type;
      for (const { path, type } of found) {
        for (const { value, mustFail } of values(type)) {
          const args = withValueAt(withWay(base, path, typeAt), path, value);
          const isAllowed = typeof value === 'string' && LONG_TEXTS.includes(`${field.name} ${path.join('.')}`);
          const site = { operation, field: field.name, path };
          all.push({ site, args, what: show(value), mustFail: mustFail && !(isAllowed && /^x+$/.test(value)) });
        }
      }
    }
  }
  return all;
}

async function faultsOf({ site, args, what, mustFail }: Try): Promise<string[]> {
  const definition = schema.getRootType(site.operation as never)!.getFields()[site.field]!;
  const { errors } = await send(callOf(site.operation, definition, args), args);
  const place = `${siteName(site)} = ${what}`;
  const [first] = errors;
  if (!first) return mustFail ? [`${place}: accepted`] : [];
  const faults: string[] = [];
  if (errors.length > 1) faults.push(`${place}: ${errors.length} errors`);
  if (first.extensions.code === 'INTERNAL') faults.push(`${place}: INTERNAL`);
  if (first.message.length > 1_000) faults.push(`${place}: an error of ${first.message.length} characters`);
  if (/[\0\n]/.test(first.message)) faults.push(`${place}: an error of several lines: ${show(first.message)}`);
  if (
    mustFail &&
    !['BAD_USER_INPUT', 'INVALID_TENSOR', 'QUERY_TOO_COMPLEX', 'INVALID_PATH'].includes(first.extensions.code)
  )
    faults.push(`${place}: ${first.extensions.code} ${first.message}`);
  else if (first.extensions.code === 'BAD_USER_INPUT' && !first.extensions.field)
    faults.push(`${place}: no field: ${first.message.slice(0, 200)}`);
  return faults;
}

describe('one hostile value at every place of every argument', () => {
  for (const operation of ['query', 'mutation'] as const) {
    it(`gives one clear error of the client, in every ${operation}`, async () => {
      const all = await tries(operation);
      const startedAt = performance.now();
      const faults: string[] = [];
      let next = 0;
      const worker = async () => {
        for (let at = next++; at < all.length; at = next++) faults.push(...(await faultsOf(all[at]!)));
      };
      await Promise.all([worker(), worker(), worker(), worker()]);
      console.log(
        `hostile arguments: ${all.length} calls of ${operation} fields in ` +
          `${Math.round(performance.now() - startedAt)} ms`,
      );
      expect(faults).toEqual([]);
    }, 400_000);
  }
});

describe('a forged cursor', () => {
  const id = '01a1fedb-904e-7148-ad0f-33f9595d7d0f';
  const forge = (parts: unknown) => Buffer.from(JSON.stringify(parts)).toString('base64url');
  const VALUES: unknown[] = [
    '2026-13-45T00:00:00.000Z',
    '0000-01-01T00:00:00.000Z',
    'x',
    'a\0',
    SURROGATE,
    `' or 1=1 --`,
    5,
    1.5,
    1e300,
    -1e300,
    true,
    null,
    {},
    [],
  ];

  /** Orders that also need a key. */
  const KEYED = ['METRIC', 'PARAM', 'TAG'];

  it('is refused by every list, or only says where to begin', async () => {
    const faults: string[] = [];
    const lists = Object.values(schema.getQueryType()!.getFields()).filter(({ args }) =>
      args.some(({ name }) => name === 'after'),
    );
    let calls = 0;
    for (const field of lists) {
      const fixture = READ_ARGUMENTS[field.name]?.[0];
      const base = fixture ? await argumentsFrom(world, fixture) : {};
      const order = field.args.find(({ name }) => name === 'orderBy');
      const orders = order && getNullableType(order.type);
      const orderType = isListType(orders) ? getNullableType(orders.ofType) : orders;
      const fieldType = isInputObjectType(orderType) ? getNullableType(orderType.getFields()['field']!.type) : null;
      const names = isEnumType(fieldType)
        ? fieldType.getValues().map(({ name, value }) => ({ name, column: String(value) }))
        : [
            { name: '', column: 'createdAt' },
            { name: '', column: 'seq' },
          ];
      const cursors = names.flatMap(({ name, column }) =>
        VALUES.map((value) => ({
          after: forge([column, 'DESC', value, id]),
          ...(name && { orderBy: { field: name, direction: 'DESC', ...(KEYED.includes(name) && { key: 'k' }) } }),
        })),
      );
      for (const cursor of [
        ...cursors,
        ...['', 'x', '5', forge(null), forge({}), forge([]), 'x'.repeat(50_000)].map((after) => ({ after })),
      ]) {
        const args = { ...base, first: 1, ...cursor };
        const { errors } = await send(callOf('query', field, args), args);
        calls++;
        const [first] = errors;
        if (first && (first.extensions.code !== 'BAD_USER_INPUT' || first.extensions.field !== 'after')) {
          faults.push(
            `${field.name} ${Buffer.from(cursor.after, 'base64url').toString().slice(0, 80)}: ` +
              `${first.extensions.code} ${first.message}`,
          );
        }
      }
    }
    console.log(`forged cursors: ${calls} calls of ${lists.length} lists`);
    expect(faults).toEqual([]);
  }, 400_000);
});

describe('calls at the same time', () => {
  const call = <T>(name: string, type: string, input: object, selection: string) =>
    world.caller.send<Record<string, T>>(`mutation ($input: ${type}!) { ${name}(input: $input) { ${selection} } }`, {
      input,
    });

  it('that set the same tags in another order all succeed', async () => {
    const runId = await world.newRun();
    const keys = Array.from({ length: 40 }, (_, i) => `tag-${i}`);
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, i) => {
        const tags = (i % 2 ? keys : keys.toReversed()).map((key) => ({ key, value: String(i) }));
        return call('setRunTags', 'SetRunTagsInput', { runId, tags }, '__typename');
      }),
    );
    expect(answers.flatMap(({ errors }) => errors ?? [])).toEqual([]);
  });

  it('that deploy and delete a version either keep it or refuse the deployment, never both', async () => {
    const modelId = await world.newModel();
    const outcomes: string[] = [];
    for (let i = 0; i < 4; i++) {
      const [modelVersionId, endpointId] = [await world.newVersion(modelId), await world.newEndpoint(modelId)];
      const [deployed, deleted] = await Promise.all([
        call(
          'deployModelVersion',
          'DeployModelVersionInput',
          { endpointId, modelVersionId, mode: 'LIVE' },
          '__typename',
        ),
        call('deleteModelVersion', 'DeleteModelVersionInput', { id: modelVersionId }, '__typename'),
      ]);
      outcomes.push([deployed, deleted].map(({ errors }) => errors?.[0]?.extensions.code ?? 'OK').join(' '));
    }
    console.log(`deploy and delete at once: ${outcomes.join(', ')}`);
    for (const outcome of outcomes) expect(['OK CONFLICT', 'NOT_FOUND OK']).toContain(outcome);
  });
});
