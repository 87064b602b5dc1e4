import { randomUUID } from 'node:crypto';
import {
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLSchema,
} from 'graphql';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { serviceSchema } from '../../src/composition.js';
import { describeRange, rangeText, type InputRange } from '../../src/modules/core/index.js';
import { rangeOfArgument, rangeOfField, type DeclaredRange } from '../../src/resolvers/types/range.js';
import { callOf, valueAt, withValueAt, type IdSite } from '../support/id-sites.js';
import { startTestService, type GraphQLErrorShape, type TestService } from '../support/service.js';
import { TrafficWriter } from '../support/traffic.js';
import { argumentsFrom, MUTATION_ARGUMENTS, READ_ARGUMENTS, World } from '../support/world.js';

/** A place of the arguments of a root field. */
interface Place {
  operation: IdSite['operation'];
  field: GraphQLField<unknown, unknown>;
  path: string[];
  /** Of an argument its name, of an input field its type and name. */
  name: string;
  type: GraphQLInputType;
  declared: DeclaredRange | undefined;
}
type Arguments = Record<string, unknown>;

/** Numbers that need no range, and why. */
const WITHOUT_RANGE: Record<string, string> = {
  'EvaluationTargetInput.greaterThan': 'a value of the column, whatever it is',
  'GroundTruthInput.value': 'a true value, whatever it is',
  'MetricBoundInput.max': 'a value of the metric, whatever it is',
  'MetricBoundInput.min': 'a value of the metric, whatever it is',
  'MetricFilterInput.max': 'a value of the metric, whatever it is',
  'MetricFilterInput.min': 'a value of the metric, whatever it is',
  'OutcomeInput.value': 'a value of the metric, whatever it is',
  'ParameterImportanceInput.seed': 'any integer is a seed',
  'PlanAbTestInput.minimumEffect': 'a difference of the metric, whatever it is but 0',
  'PrunerInput.lower': 'a value of the metric, whatever it is',
  'PrunerInput.upper': 'a value of the metric, whatever it is',
  'SearchParameterInput.high': 'a value of the parameter, whatever it is',
  'SearchParameterInput.low': 'a value of the parameter, whatever it is',
  'TargetInput.greaterThan': 'a value of the column, whatever it is',
};

/** What must stand beside a value so that its range is looked at: the whole object that it lies in. */
const BESIDE: Record<string, Arguments> = {
  'ClassWeightsInput.weights': { by: 'GIVEN' },
  'DecisionThresholdInput.falseNegative': { by: 'COST', falsePositive: 1 },
  'DecisionThresholdInput.falsePositive': { by: 'COST', falseNegative: 1 },
  'DecisionThresholdInput.value': { by: 'FIXED' },
  'LoggedDatasetInput.digest': { name: 'x', sourceType: 'x', source: 'x' },
  'LoggedDatasetInput.source': { name: 'x', digest: 'x', sourceType: 'x' },
  'NoExpectedGainInput.minGain': { window: 2 },
  'LoggedDatasetInput.sourceType': { name: 'x', digest: 'x', source: 'x' },
};
const SPLIT_BY_COLUMN = { by: 'COLUMN', column: 'x', values: { holdout: ['x'] } };

/** Objects whose fields have arguments, and how a query gets one. */
const PARENTS: Record<string, (things: World['things']) => string> = {
  Dataset: ({ datasetId }) => `dataset(id: "${datasetId}")`,
  LoggedModel: () => 'loggedModels { nodes',
  Model: ({ modelId }) => `model(id: "${modelId}")`,
  Run: ({ runId }) => `run(id: "${runId}")`,
  Schedule: ({ scheduleId }) => `schedule(id: "${scheduleId}")`,
  Study: ({ studyId }) => `study(id: "${studyId}")`,
  Trial: ({ trialId }) => `trial(id: "${trialId}")`,
  RunComparison: ({ runId }) => `compareRuns(input: { runIds: ["${runId}", "OTHER"] })`,
  Webhook: ({ webhookId }) => `webhook(id: "${webhookId}")`,
};

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

/** Every place of the arguments of queries and mutations, an input type once. */
function places(): Place[] {
  const entered = new Set<string>();
  const found: Place[] = [];
  const below = (place: Place) => {
    found.push(place);
    const type = getNamedType(place.type);
    if (!isInputObjectType(type) || entered.has(type.name)) return;
    entered.add(type.name);
    const way = isListType(getNullableType(place.type)) ? [...place.path, '*'] : place.path;
    for (const input of Object.values(type.getFields()))
      below({
        ...place,
        type: input.type,
        path: [...way, input.name],
        name: `${type.name}.${input.name}`,
        declared: rangeOfField(input),
      });
  };
  for (const operation of ['query', 'mutation'] as const)
    for (const field of Object.values(schema.getRootType(operation as never)!.getFields()))
      for (const arg of field.args)
        below({
          ...{ operation, field, type: arg.type, path: [arg.name], name: `${field.name}(${arg.name})` },
          declared: rangeOfArgument(field, arg),
        });
  return found;
}

/** Every input of the schema: fields of input types, and arguments of all fields. */
function inputs(): { name: string; input: GraphQLArgument | GraphQLInputField; declared: DeclaredRange | undefined }[] {
  const types = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith('__'));
  return types.flatMap((type) => {
    if (isInputObjectType(type))
      return Object.values(type.getFields()).map((input) => ({
        ...{ name: `${type.name}.${input.name}`, input, declared: rangeOfField(input) },
      }));
    if (!isObjectType(type)) return [];
    return Object.values(type.getFields()).flatMap((field) =>
      field.args.map((input) => ({
        ...{ name: `${type.name}.${field.name}(${input.name})`, input, declared: rangeOfArgument(field, input) },
      })),
    );
  });
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
    return Object.fromEntries(needed.map((field) => [field.name, sample(field.type, rangeOfField(field)?.range)]));
  }
  const scalars: Record<string, unknown> = {
    ...{
      ID: randomUUID(),
      String: 'x',
      DateTimeISO: '2026-01-01T00:00:00Z',
      JSON: {},
      JSONObject: {},
      TensorData: [1],
    },
  };
  return scalars[String(bare)] ?? 1;
}

/** Arguments with a value at a place, and the objects on the way to it. */
function argumentsWith(
  base: Arguments,
  all: readonly Place[],
  { field, path, name }: Place,
  value: unknown,
): Arguments {
  let args: Arguments = {
    ...Object.fromEntries(
      field.args
        .filter((arg) => arg.name === path[0] || isNonNullType(arg.type))
        .map((arg) => [arg.name, sample(arg.type, rangeOfArgument(field, arg)?.range)]),
    ),
    ...base,
  };
  for (let depth = 1; depth < path.length; depth++) {
    const way = path.slice(0, depth);
    const there = valueAt(args, way);
    if (there !== undefined && there !== null && !(Array.isArray(there) && there.length === 0)) continue;
    const at = way.at(-1) === '*' ? way.slice(0, -1) : way;
    const place = all.find((one) => one.field === field && one.path.join() === at.join());
    const filled = place ? sample(place.type, place.declared?.range) : {};
    args = withValueAt(args, at, Array.isArray(filled) && filled.length === 0 ? [{}] : filled);
  }
  if (name.startsWith('SplitValuesInput.')) args = withValueAt(args, path.slice(0, -2), SPLIT_BY_COLUMN);
  if (name.startsWith('ClassWeightInput.'))
    args = withValueAt(args, path.slice(0, -3), { by: 'GIVEN', weights: [{ class: 'x', weight: 1 }] });
  const beside = BESIDE[name];
  if (beside) args = withValueAt(args, path.slice(0, -1), beside);
  return withValueAt(args, path, value);
}

const text = (length: number) => 'x'.repeat(length);
const IS_32_BITS = (type: GraphQLInputType, value: number) =>
  String(getNullableType(type)) !== 'Int' || value < 2 ** 31;

/** The values nearest to a bound, on its wrong side or on its right one. */
function nearest(type: GraphQLInputType, range: InputRange, isOutside: boolean): unknown[] {
  const { min, above, max, below } = range;
  const bare = getNullableType(type);
  const sizes = (make: (size: number) => unknown) => [
    ...(min ? [make(isOutside ? min - 1 : min)] : []),
    ...(max === undefined ? [] : [make(isOutside ? max + 1 : max)]),
  ];
  if (isListType(bare)) return sizes((length) => Array.from({ length }, () => sample(bare.ofType)));
  if (String(bare) === 'String') return sizes(text);
  const step = String(bare) === 'Float' ? 1e-6 : 1;
  const numbers = isOutside
    ? [min === undefined ? above : min - step, max === undefined ? below : max + step]
    : [
        min ?? (above === undefined ? undefined : above + step),
        max ?? (below === undefined ? undefined : below - step),
      ];
  return numbers.filter((value) => value !== undefined && IS_32_BITS(type, value));
}

/** What refuses a value, if its range is why. */
function isRefusal(error: GraphQLErrorShape | undefined, path: readonly string[], declared: DeclaredRange): boolean {
  if (!error) return false;
  const { range, isOfModule } = declared;
  const { code, field, expected } = error.extensions;
  const where = path.join('.').replaceAll('.*', '[0]');
  if (!isOfModule) return code === 'BAD_USER_INPUT' && field === where && expected === rangeText(range);
  if (!['BAD_USER_INPUT', 'INVALID_PATH', 'INVALID_TENSOR', 'URL_NOT_ALLOWED'].includes(String(code))) return false;
  // A rule that other doors share has its own words, and a service in which records fail one by one its own field.
  const bounds = [range.min, range.above, range.max, range.below].filter((bound) => bound !== undefined).map(String);
  const isTold = range.accepts !== undefined || bounds.some((bound) => error.message.includes(bound));
  return (
    (where.endsWith(String(field)) || error.message.startsWith(`${where}:`)) && (isTold || code !== 'BAD_USER_INPUT')
  );
}

it('every number, text and list has a range, which its description tells', () => {
  const all = inputs();
  const missing = all.filter(({ name, input, declared }) => {
    const needsOne =
      isListType(getNullableType(input.type)) ||
      ['Int', 'Float', 'SafeInt', 'String'].includes(String(getNamedType(input.type)));
    return needsOne && !declared && !(name in WITHOUT_RANGE);
  });
  expect(missing.map(({ name }) => name)).toEqual([]);
  const ranged = all.filter(({ declared }) => declared);
  const untold = ranged.filter(({ input, declared }) => {
    const sentence = `Range: ${describeRange(declared!.range)}.`;
    return !input.description?.endsWith(sentence) || input.description.split('Range:').length !== 2;
  });
  expect(untold.map(({ name, input }) => `${name}: ${input.description}`)).toEqual([]);
  const known = new Set(all.map(({ name }) => name));
  expect(Object.keys(WITHOUT_RANGE).filter((name) => !known.has(name))).toEqual([]);
  console.log(`${ranged.length} inputs have a range; ${Object.keys(WITHOUT_RANGE).length} numbers need none`);
});

it('values next to a range are refused with the name of the field, and those in it are not', async () => {
  const all = places();
  const faults: string[] = [];
  const counts = { places: 0, refused: 0, taken: 0 };
  const fixtures = new Map<string, Arguments | Promise<Arguments>>([
    ['issueAccessToken', { input: { name: 'ci', role: 'VIEWER', scope: 'PREDICT' } }],
    // Not in PRODUCTION.
    ['updateModelVersion', { input: { id: await world.newVersion() } }],
  ]);
  const fixtureOf = async (place: Place): Promise<Arguments> => {
    const { name } = place.field;
    const made = (place.operation === 'query' ? READ_ARGUMENTS : MUTATION_ARGUMENTS)[name]?.[0];
    if (!fixtures.has(name)) fixtures.set(name, made ? argumentsFrom(world, made) : {});
    return fixtures.get(name)!;
  };
  const judge = async (place: Place): Promise<void> => {
    const { declared, field, operation, path } = place;
    if (!declared) return;
    counts.places++;
    const { range, isOfModule } = declared;
    const parts: [string[], GraphQLInputType, InputRange][] = [[path, place.type, range]];
    const bare = getNullableType(place.type);
    if (isListType(bare)) {
      if (range.each) parts.push([[...path, '*'], bare.ofType, range.each]);
      const item = getNullableType(bare.ofType);
      for (const [name, of] of Object.entries(range.fields ?? {}))
        if (isInputObjectType(item)) parts.push([[...path, '*', name], item.getFields()[name]!.type, of]);
    }
    for (const [at, type, part] of parts) {
      const here: Place = { ...place, path: at };
      const items = sample(place.type, { min: Math.max(1, range.min ?? 0) });
      const wayFrom = (base: Arguments) => (at === path ? base : argumentsWith(base, all, place, items));
      const base = wayFrom(isOfModule ? await fixtureOf(place) : {});
      for (const value of nearest(type, part, true)) {
        const args = argumentsWith(base, all, here, value);
        const { errors, status } = await world.caller.send(callOf(operation, field, args), args);
        // The longest texts meet the limit of a request first.
        if (status === 413 || isRefusal(errors?.[0], at, { range: part, isOfModule })) counts.refused++;
        else
          faults.push(`${field.name}(${at.join('.')}), outside: ${JSON.stringify(errors ?? 'accepted').slice(0, 300)}`);
      }
      if (part.accepts) continue;
      for (const value of nearest(type, part, false)) {
        // With ids of nothing, so that nothing happens.
        const args = argumentsWith(wayFrom({}), all, here, value);
        const { errors } = await world.caller.send(callOf(operation, field, args), args);
        const refusal = errors?.find((error) => isRefusal(error, at, { range: part, isOfModule: false }));
        if (refusal) faults.push(`${field.name}(${at.join('.')}), inside: ${refusal.message.slice(0, 200)}`);
        else counts.taken++;
      }
    }
  };
  const left = all.values();
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (const place of left) await judge(place);
    }),
  );
  console.log(`${counts.places} places: ${counts.refused} values outside refused, ${counts.taken} inside not`);
  expect(faults).toEqual([]);
});

it('arguments below the root are checked like those of the root', async () => {
  const other = await world.newRun();
  const faults: string[] = [];
  let refused = 0;
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || roots.includes(type) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields()))
      for (const arg of field.args) {
        const declared = rangeOfArgument(field, arg);
        if (!declared) continue;
        expect(Object.keys(PARENTS)).toContain(type.name);
        const parent = PARENTS[type.name]!(world.things).replace('OTHER', other);
        if (parent.endsWith('nodes')) await world.newLoggedModel();
        const needed = field.args.filter(
          (one) => one !== arg && isNonNullType(one.type) && one.defaultValue === undefined,
        );
        const used = [arg, ...needed];
        const selection = isObjectType(getNamedType(field.type)) ? '{ __typename }' : '';
        const call = `${field.name}(${used.map(({ name }) => `${name}: $${name}`).join(', ')}) ${selection}`;
        const query = `query (${used.map(({ name, type: of }) => `$${name}: ${of}`).join(', ')})
          { ${parent} { ${call} } ${parent.endsWith('nodes') ? '}' : ''} }`;
        for (const value of nearest(arg.type, declared.range, true)) {
          const variables = {
            ...Object.fromEntries(needed.map((one) => [one.name, sample(one.type)])),
            [arg.name]: value,
          };
          const { errors } = await world.caller.send(query, variables);
          if (isRefusal(errors?.[0], [arg.name], declared)) refused++;
          else faults.push(`${type.name}.${field.name}(${arg.name}): ${errors?.[0]?.message ?? 'accepted'}`);
        }
      }
  }
  console.log(`${refused} values next to the ranges of arguments below the root were refused`);
  expect(faults).toEqual([]);
});
