import {
  isInputObjectType,
  isListType,
  isNonNullType,
  type GraphQLField,
  type GraphQLInputObjectType,
  type GraphQLInputType,
} from 'graphql';
import {
  ANY_TEXT,
  UUID,
  checkJson,
  checkRange,
  checkText,
  checkTimeMs,
  pathOf,
  type InputRange,
  type InputPosition,
} from '../modules/core/index.js';
import { badInput } from '../errors.js';
import { rangeOfArgument, rangeOfField, type DeclaredRange } from './types/range.js';

type Check = (value: unknown, parent: InputPosition | null, key: string | number) => void;

const compiled = new WeakMap<GraphQLInputObjectType, [name: string, check: Check][]>();

/**
 * Checks what the GraphQL types of arguments cannot: forms of ids, valid text, finite numbers, limits of JSON, and the
 * declared ranges.
 */
export function compileArgumentCheck(field: GraphQLField<unknown, never>): (values: Record<string, unknown>) => void {
  const checks = field.args.map((arg): [string, Check] => [arg.name, compile(arg.type, rangeOfArgument(field, arg))]);
  return (values) => {
    for (const [name, check] of checks) check(values[name], null, name);
  };
}

function compile(type: GraphQLInputType, declared?: DeclaredRange): Check {
  const bare = isNonNullType(type) ? type.ofType : type;
  const check = compileNonNull(bare, declared);
  const range = 'name' in bare && bare.name === 'String' ? undefined : checkedHere(declared);
  return (value, parent, key) => {
    if (value === null || value === undefined) return;
    if (range) checkRange(range, value as number | unknown[], parent, key);
    check(value, parent, key);
  };
}

function checkedHere(declared: DeclaredRange | undefined): InputRange | undefined {
  return declared?.isOfModule ? undefined : declared?.range;
}

/** What a text may be at most before its module checks it. */
function rangeOfText(declared: DeclaredRange | undefined): InputRange {
  const isLonger = (declared?.range.max ?? 0) > ANY_TEXT.max!;
  return checkedHere(declared) ?? (isLonger ? { ...ANY_TEXT, max: declared?.range.max } : ANY_TEXT);
}

function compileNonNull(type: GraphQLInputType, declared: DeclaredRange | undefined): Check {
  if (isListType(type)) {
    const check = compile(type.ofType);
    return (value, parent, key) => {
      const place = { parent, key };
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
    case 'JSONObject':
      return (value, parent, key) => checkJson(value, parent, key);
    case 'String': {
      const range = rangeOfText(declared);
      return (value, parent, key) => checkText(value as string, parent, key, range);
    }
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
