import {
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLSchema,
} from 'graphql';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { serviceSchema } from '../../src/composition.js';
import { Role } from '../../src/modules/core/rules/principal.js';
import { rangeOfArgument, rangeOfField, rangeText, type InputRange } from '../../src/resolvers/types/range.js';
import { callOf, withValueAt, type IdSite } from '../support/id-sites.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';

interface Place {
  operation: IdSite['operation'];
  field: GraphQLField<unknown, unknown>;
  path: string[];
  type: GraphQLInputType;
  range: InputRange | undefined;
  description: string | null | undefined;
}

let service: TestService;
let admin: Caller;
let schema: GraphQLSchema;
beforeAll(async () => {
  [service, schema] = await Promise.all([startTestService(), serviceSchema()]);
  admin = await service.as({ role: Role.ADMIN });
});
afterAll(() => service?.close());

/** Every place in the arguments of root fields; an input type is visited once. */
function places(): Place[] {
  const entered = new Set<string>();
  const found: Place[] = [];
  const below = (place: Place) => {
    found.push(place);
    const type = getNamedType(place.type);
    if (!isInputObjectType(type) || entered.has(type.name)) return;
    entered.add(type.name);
    const way = isListType(getNullableType(place.type)) ? [...place.path, '*'] : place.path;
    for (const field of Object.values(type.getFields()))
      below({ ...place, ...field, path: [...way, field.name], range: rangeOfField(field), field: place.field });
  };
  for (const operation of ['query', 'mutation'] as const)
    for (const field of Object.values(schema.getRootType(operation as never)!.getFields()))
      for (const arg of field.args)
        below({ operation, field, ...arg, path: [arg.name], range: rangeOfArgument(field, arg.name) });
  return found;
}

/** The smallest value that a type accepts. */
function sample(type: GraphQLInputType, range?: InputRange): unknown {
  const bare = getNullableType(type);
  if (isListType(bare)) return Array.from({ length: range?.min ?? 1 }, () => sample(bare.ofType));
  if (isEnumType(bare)) return bare.getValues()[0]?.name;
  if (isInputObjectType(bare)) {
    const needed = Object.values(bare.getFields()).filter(
      (field) => isNonNullType(field.type) && field.defaultValue === undefined,
    );
    return Object.fromEntries(needed.map((field) => [field.name, sample(field.type, rangeOfField(field))]));
  }
  const scalars: Record<string, unknown> = { ID: randomUUID(), DateTimeISO: '2026-01-01T00:00:00Z', JSON: {} };
  return scalars[String(bare)] ?? (['String'].includes(String(bare)) ? 'x' : 1);
}

/** Arguments with a value at a place, and the objects on the way to it. */
function argumentsWith({ field, path }: Place, value: unknown): Record<string, unknown> {
  const base: Record<string, unknown> = Object.fromEntries(
    field.args
      .filter((arg) => arg.name === path[0] || isNonNullType(arg.type))
      .map((arg) => [arg.name, sample(arg.type, rangeOfArgument(field, arg.name))]),
  );
  let args = base;
  for (let depth = 2; depth < path.length; depth++) {
    const way = path.slice(0, depth);
    const there = way.reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key === '*' ? '0' : key], args);
    if (there !== undefined) continue;
    const place = places().find((one) => one.field === field && one.path.join() === way.join());
    args = withValueAt(args, way, place ? sample(place.type, place.range) : {});
  }
  return withValueAt(args, path, value);
}

/** The values nearest to a range that are outside of it. */
function outside({ type, range }: Place): unknown[] {
  const { min, above, max } = range!;
  const bare = getNullableType(type);
  if (isListType(bare)) {
    const items = (length: number) => Array.from({ length }, () => sample(bare.ofType));
    return [...(min ? [items(min - 1)] : []), ...(max === undefined ? [] : [items(max + 1)])];
  }
  if (String(bare) === 'String')
    return [...(min ? ['x'.repeat(min - 1)] : []), ...(max === undefined ? [] : ['x'.repeat(max + 1)])];
  const step = String(bare) === 'Float' ? 1e-6 : 1;
  return [...(min === undefined ? [] : [min - step]), ...(above === undefined ? [] : [above])].concat(
    max === undefined ? [] : [max + step],
  );
}

it('a declared range is the last sentence of the description, and values next to it are refused with it', async () => {
  const declared = places().filter(({ range }) => range);
  let refused = 0;
  for (const place of declared) {
    const text = rangeText(place.range!);
    const where = `${place.field.name}(${place.path.join('.')})`;
    expect(place.description?.toLowerCase().endsWith(` ${text}.`.toLowerCase()), `${where}: ${place.description}`).toBe(
      true,
    );
    for (const value of outside(place)) {
      const args = argumentsWith(place, value);
      const { extensions } = await admin.fails(callOf(place.operation, place.field, args), args);
      const field = place.path.join('.').replaceAll('.*', '[0]');
      expect(extensions, where).toMatchObject({ code: 'BAD_USER_INPUT', field, expected: text });
      refused++;
    }
  }
  console.log(`${declared.length} inputs declare a range; ${refused} values next to one were refused`);
  expect(declared.length).toBeGreaterThan(0);
});
