import {
  defaultFieldResolver,
  getNamedType,
  isLeafType,
  isNonNullType,
  isObjectType,
  OperationTypeNode,
  type GraphQLField,
  type GraphQLSchema,
} from 'graphql';
import type { RequestContext } from './request-context.js';

/** Quotes, colon and comma around a name. */
const PUNCTUATION_BYTES = 4;
/** Size of a number, a boolean or null. */
const SHORT_VALUE_BYTES = 8;
/** Longer texts are measured, shorter ones are estimated. */
const SHORT_TEXT_LENGTH = 256;

/** The extension of a field without its own resolver: its value came with its object. */
export const IS_PROPERTY = 'isProperty';

/**
 * Wraps every field of the schema, including introspection, so that the bytes of an answer are counted while it is
 * made.
 */
export function meterSchema(schema: GraphQLSchema): GraphQLSchema {
  const types = Object.values(schema.getTypeMap()).filter(isObjectType);
  for (const type of types) for (const field of Object.values(type.getFields())) meterField(field);
  return schema;
}

function meterField(field: GraphQLField<unknown, RequestContext | undefined>): void {
  const resolve = field.resolve ?? defaultFieldResolver;
  if (!field.resolve) field.extensions = { ...field.extensions, [IS_PROPERTY]: true };
  const isLeaf = isLeafType(getNamedType(field.type));
  field.resolve = (source, args, context, info) => {
    const bytes = context?.bytes;
    if (!bytes) return resolve(source, args, context, info);
    const { operation } = info.operation;
    const isChange = operation === OperationTypeNode.MUTATION;
    // Every top-level change runs, even when the answers before it are too large.
    if (bytes.refusal && !(isChange && info.path.prev === undefined)) {
      if (isChange || isNonNullType(info.returnType)) throw bytes.refusal;
      // The whole answer will be replaced, so an error for each field would only cost time.
      return null;
    }
    const nameBytes = String(info.path.key).length + PUNCTUATION_BYTES;
    const value: unknown = resolve(source, args, context, info);
    if (isLeaf && value instanceof Promise) {
      return value.then(async (settled: unknown) => {
        await bytes.addAnswered(nameBytes + sizeOf(settled), operation);
        return settled;
      });
    }
    const turn = bytes.addAnswered(isLeaf ? nameBytes + sizeOf(value) : nameBytes, operation);
    return turn ? turn.then(() => value) : value;
  };
}

/** About the number of bytes that the value needs in JSON. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string')
    return value.length <= SHORT_TEXT_LENGTH ? value.length + 2 : Buffer.byteLength(JSON.stringify(value));
  if (typeof value !== 'object' || value === null || value instanceof Date) return SHORT_VALUE_BYTES;
  if (ArrayBuffer.isView(value)) return value.byteLength * 2;
  let bytes = 2;
  if (Array.isArray(value)) for (const item of value) bytes += sizeOf(item) + 1;
  else for (const [name, item] of Object.entries(value)) bytes += name.length + PUNCTUATION_BYTES + sizeOf(item);
  return bytes;
}
