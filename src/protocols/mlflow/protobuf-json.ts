import { z } from 'zod';
import { invalidParameter } from './errors.js';
import { compactJson } from './python-json.js';

// Parts of schemas that read JSON as protobuf does: null is absent, an absent field has the zero of its type, integers
// may be texts, unknown fields are ignored.

/** A string that must be given and must not be empty. */
export const requiredString = z.string().min(1);
export const string = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
/** Distinguishes absent from empty. */
export const optionalString = z.string().nullish();
export const boolean = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);

const INTEGER = /^[-+]?\d{1,19}(\.0*)?$/;

/** An int64, if a number can hold it exactly. */
export const requiredInteger = z.unknown().transform((value, context) => {
  const number = typeof value === 'string' && INTEGER.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isSafeInteger(number)) return number;
  context.addIssue({ code: 'custom' });
  return z.NEVER;
});
/** Null when not given. */
export const integer = requiredInteger.nullish().transform((value) => value ?? null);

const NON_FINITE: Record<string, number> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
};
const DECIMAL = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/;

/** A double: a number, or a text as protobuf writes one. */
export const requiredDouble = z.unknown().transform((value, context) => {
  if (typeof value === 'number') return value;
  const number =
    typeof value === 'string' ? (NON_FINITE[value] ?? (DECIMAL.test(value) ? Number(value) : undefined)) : undefined;
  if (number !== undefined) return number;
  context.addIssue({ code: 'custom' });
  return z.NEVER;
});

export const repeated = <Item extends z.ZodType>(item: Item) =>
  z
    .array(item)
    .nullish()
    .transform((value) => value ?? []);

export const keyValue = z.object({ key: requiredString, value: string });
/** A key and value whose key is checked later, by rules that also report an empty key. */
export const checkedKeyValue = z
  .object({ key: string, value: string })
  .nullable()
  .transform((entry) => entry ?? { key: '', value: '' });

/** The end of MLflow's messages about a parameter. */
export const MORE = ' See the API docs for more information about request parameters.';

export const missing = (parameter: string) =>
  invalidParameter(`Missing value for required parameter '${parameter}'.${MORE}`);

/** The checked input of an endpoint; refuses with MLflow's messages. */
export function parseRequest(schema: z.ZodObject, input: Record<string, unknown>): unknown {
  // A missing run is reported before anything else.
  if ('run_uuid' in schema.shape && !input['run_id'] && !input['run_uuid']) throw missing('run_id');
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const path = parsed.error.issues[0]?.path ?? [];
  let value: unknown = input;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
  const shown = path
    .map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? String(key) : `.${String(key)}`))
    .join('');
  if (typeof path.at(-1) === 'string' && (value == null || value === '')) throw missing(shown);
  const [name] = path as [string];
  throw invalidParameter(
    `Invalid value ${compactJson(input[name])} for parameter '${name}' supplied:  Hint: Value was of type ` +
      `'${pythonType(input[name])}'.${MORE}`,
  );
}

function pythonType(value: unknown): string {
  if (Array.isArray(value)) return 'list';
  switch (typeof value) {
    case 'string':
      return 'str';
    case 'boolean':
      return 'bool';
    case 'number':
      return Number.isInteger(value) ? 'int' : 'float';
    default:
      return 'dict';
  }
}

/**
 * The query of a GET, by the types of the schema: a field that may repeat keeps all its values, others keep the first.
 */
export function fromQuery(schema: z.ZodObject, query: URLSearchParams): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(schema.shape)) {
    const [first] = query.getAll(name);
    if (first === undefined) continue;
    const type = innerType(field as z.ZodType);
    input[name] = type === 'array' ? query.getAll(name) : type === 'boolean' ? readBoolean(first) : first;
    refuseUnstorable(input[name]);
  }
  return input;
}

function readBoolean(text: string): boolean {
  const lower = text.toLowerCase();
  if (lower !== 'true' && lower !== 'false')
    throw invalidParameter(`Invalid boolean value: ${text}, must be 'true' or 'false'.`);
  return lower === 'true';
}

function innerType(field: z.ZodType): string {
  let at = field as z.ZodType & { def: { type: string; innerType?: z.ZodType; in?: z.ZodType } };
  for (let next = at.def.innerType ?? at.def.in; next; next = at.def.innerType ?? at.def.in) at = next as typeof at;
  return at.def.type;
}

/** Escapes that a text can have and this service does not store. */
const UNSTORABLE = /\\u(?:0000|[dD][89a-fA-F])/;
/**
 * Python's json writes numbers that JSON does not have. An unclosed text ends with the body: it is read once, and not
 * again from each of its quotes.
 */
const BARE_NUMBER = /"[^"\\]*(?:\\[^][^"\\]*)*(?:"|\\?$)|-?\b(?:NaN|Infinity)\b/g;

/** The object in a body. A body that is not JSON counts as empty, as in MLflow's server. */
export function fromBody(text: string): Record<string, unknown> {
  let value = parseJson(text);
  // Old clients send their JSON as a JSON string.
  if (typeof value === 'string') value = parseJson(value);
  if (value == null) return {};
  if (typeof value !== 'object' || Array.isArray(value))
    throw invalidParameter(`The request must be a JSON object.${MORE}`);
  if (UNSTORABLE.test(text)) refuseUnstorable(value);
  return value as Record<string, unknown>;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    try {
      return JSON.parse(text.replace(BARE_NUMBER, (token) => (token.startsWith('"') ? token : `"${token}"`)));
    } catch {
      return null;
    }
  }
}

/**
 * Finds text with a NUL or half of a surrogate pair at any depth. It uses its own stack, because the nesting may be
 * deep.
 */
export function refuseUnstorable(value: unknown): void {
  const rest: unknown[] = [value];
  while (rest.length > 0) {
    const item = rest.pop();
    if (typeof item === 'string') {
      if (item.includes('\0') || !item.isWellFormed())
        throw invalidParameter('Text must not contain NUL characters or lone surrogates.');
    } else if (item !== null && typeof item === 'object')
      for (const [key, inner] of Object.entries(item)) rest.push(key, inner);
  }
}
