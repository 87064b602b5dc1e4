import {
  getNamedType,
  isInputObjectType,
  isListType,
  isNonNullType,
  type GraphQLField,
  type GraphQLInputObjectType,
  type GraphQLInputType,
} from 'graphql';
import { UUID, checkJson, checkText, checkTimeMs, pathOf, type Place } from '../modules/core/index.js';
import { badInput } from '../errors.js';
import { isWithin, rangeOfArgument, rangeOfField, rangeText, type InputRange } from './types/range.js';

/** Limit of a list of ids, names or numbers; lists of rows and points have their own limits. */
const MAX_PLAIN_ITEMS = 1_000;

type Check = (value: unknown, parent: Place | null, key: string | number) => void;

const compiled = new WeakMap<GraphQLInputObjectType, [name: string, check: Check][]>();

/**
 * Checks what the GraphQL types of arguments cannot: forms of ids, valid text, finite numbers, limits of JSON, and the
 * declared ranges.
 */
export function compileArgumentCheck(field: GraphQLField<unknown, never>): (values: Record<string, unknown>) => void {
  const checks = field.args.map((arg): [string, Check] => [
    arg.name,
    compile(arg.type, rangeOfArgument(field, arg.name)),
  ]);
  return (values) => {
    for (const [name, check] of checks) check(values[name], null, name);
  };
}

function compile(type: GraphQLInputType, range?: InputRange): Check {
  const check = compileNonNull(isNonNullType(type) ? type.ofType : type);
  return (value, parent, key) => {
    if (value === null || value === undefined) return;
    if (range) checkRange(range, value, parent, key);
    check(value, parent, key);
  };
}

function checkRange(range: InputRange, value: unknown, parent: Place | null, key: string | number): void {
  const amount = typeof value === 'number' ? value : (value as string | unknown[]).length;
  if (isWithin(range, amount)) return;
  const got = typeof value === 'number' ? value : `${amount} ${typeof value === 'string' ? 'characters' : 'items'}`;
  throw badInput(pathOf(parent, key), rangeText(range), got);
}

function compileNonNull(type: GraphQLInputType): Check {
  if (isListType(type)) {
    const check = compile(type.ofType);
    const itemType = getNamedType(type.ofType);
    const maxItems = isInputObjectType(itemType) || itemType.name === 'JSON' ? Infinity : MAX_PLAIN_ITEMS;
    return (value, parent, key) => {
      const place = { parent, key };
      const { length } = value as unknown[];
      if (length > maxItems) throw badInput(pathOf(parent, key), `at most ${maxItems} items`, `${length} items`);
      (value as unknown[]).forEach((item, i) => check(item, place, i));
    };
  }
  if (isInputObjectType(type)) {
    return (value, parent, key) => {
      const place = { parent, key };
      for (const [name, check] of fieldChecks(type)) check((value as Record<string, unknown>)[name], place, name);
    };
  }
  switch ('name' in type ? type.name : '') {
    case 'ID':
      return (value, parent, key) => {
        if (!UUID.test(String(value)))
          throw badInput(pathOf(parent, key), 'an id as this API gives them (a UUID)', value);
      };
    case 'Float':
      return (value, parent, key) => {
        if (!Number.isFinite(value)) throw badInput(pathOf(parent, key), 'a finite number', String(value));
      };
    case 'DateTimeISO':
      return (value, parent, key) => {
        checkTimeMs(pathOf(parent, key), (value as Date).getTime());
      };
    case 'JSON':
      return (value, parent, key) => checkJson(value, parent, key);
    default:
      return (value, parent, key) => {
        if (typeof value === 'string') checkText(value, parent, key);
      };
  }
}

/** Compiled at the first use, because an input type may contain itself. */
function fieldChecks(type: GraphQLInputObjectType): [string, Check][] {
  let checks = compiled.get(type);
  if (!checks) {
    checks = Object.values(type.getFields()).map((field) => [field.name, compile(field.type, rangeOfField(field))]);
    compiled.set(type, checks);
  }
  return checks;
}
