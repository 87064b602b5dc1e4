import {
  getNamedType,
  isInterfaceType,
  isObjectType,
  Kind,
  visit,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLNamedType,
  type GraphQLSchema,
  type SelectionSetNode,
  type ValueNode,
  type VariableDefinitionNode,
} from 'graphql';
import { DEFAULT_PAGE_SIZE } from '../db/pagination.js';
import { AppError, ErrorCode } from '../errors.js';

export interface QueryLimits {
  maxDepth: number;
  maxCost: number;
  maxAliases: number;
  maxDirectives: number;
}

/** Limit of tokens of a document. The parser stops there, before anything else costs time. */
export const MAX_TOKENS = 4_000;

/** Limit of characters of a document, because a subscription keeps its text as long as it lives. */
const MAX_CHARACTERS = 200_000;

interface Walk {
  schema: GraphQLSchema;
  fragments: Map<string, FragmentDefinitionNode>;
  variables: Record<string, unknown>;
  definitions: readonly VariableDefinitionNode[];
  limits: QueryLimits;
  aliases: number;
  directives: number;
  open: Set<string>;
}

/**
 * Refuses a document before it runs, by depth of nesting, aliases, directives, and a cost that multiplies a
 * connection's fields by its page size. Used for HTTP and WebSocket.
 */
export function checkQueryLimits(
  schema: GraphQLSchema,
  document: DocumentNode,
  variables: Record<string, unknown>,
  limits: QueryLimits,
): void {
  const characters = document.loc?.source.body.length ?? 0;
  if (characters > MAX_CHARACTERS) throw tooComplex('number of characters', MAX_CHARACTERS, characters);
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    const root = schema.getRootType(definition.operation);
    const walk: Walk = {
      schema,
      fragments,
      variables,
      definitions: definition.variableDefinitions ?? [],
      limits,
      aliases: 0,
      directives: definition.directives?.length ?? 0,
      open: new Set(),
    };
    const cost = costOf(walk, definition.selectionSet, root ?? undefined, 1);
    if (cost > limits.maxCost) throw tooComplex('cost', limits.maxCost, cost);
  }
}

/** Whether a document that has passed the limits could exceed them with other variables. */
export function costsByVariables(document: DocumentNode): boolean {
  let found = false;
  visit(document, {
    Argument: ({ name, value }) => {
      found ||= name.value === 'first' && value.kind === Kind.VARIABLE;
      return false;
    },
  });
  return found;
}

function costOf(walk: Walk, selections: SelectionSetNode, type: GraphQLNamedType | undefined, depth: number): number {
  if (depth > walk.limits.maxDepth) throw tooComplex('depth', walk.limits.maxDepth, depth);
  let cost = 0;
  for (const selection of selections.selections) {
    walk.directives += selection.directives?.length ?? 0;
    if (walk.directives > walk.limits.maxDirectives)
      throw tooComplex('number of directives', walk.limits.maxDirectives, walk.directives);
    if (selection.kind === Kind.FIELD) cost += costOfField(walk, selection, type, depth);
    else if (selection.kind === Kind.INLINE_FRAGMENT) {
      const inner = selection.typeCondition ? walk.schema.getType(selection.typeCondition.name.value) : type;
      cost += costOf(walk, selection.selectionSet, inner, depth);
    } else cost += costOfSpread(walk, selection.name.value, depth);
    if (cost > walk.limits.maxCost) throw tooComplex('cost', walk.limits.maxCost, cost);
  }
  return cost;
}

function costOfSpread(walk: Walk, name: string, depth: number): number {
  const fragment = walk.fragments.get(name);
  // The validation reports cycles and unknown fragments; here they must only not run for ever.
  if (!fragment || walk.open.has(name)) return 0;
  walk.open.add(name);
  const cost = costOf(walk, fragment.selectionSet, walk.schema.getType(fragment.typeCondition.name.value), depth);
  walk.open.delete(name);
  return cost;
}

function costOfField(walk: Walk, field: FieldNode, type: GraphQLNamedType | undefined, depth: number): number {
  if (field.alias && ++walk.aliases > walk.limits.maxAliases)
    throw tooComplex('number of aliases', walk.limits.maxAliases, walk.aliases);
  if (!field.selectionSet) return 1;
  const definition = isObjectType(type) || isInterfaceType(type) ? type.getFields()[field.name.value] : undefined;
  const inner = definition && getNamedType(definition.type);
  const below = costOf(walk, field.selectionSet, inner, field.name.value.startsWith('__') ? 1 : depth + 1);
  return 1 + below * (inner?.name.endsWith('Connection') ? pageSize(walk, field) : 1);
}

function pageSize(walk: Walk, field: FieldNode): number {
  const value = field.arguments?.find((argument) => argument.name.value === 'first')?.value;
  const size = value?.kind === Kind.VARIABLE ? sizeIn(walk, value.name.value) : constantSize(value);
  return Number.isFinite(size) ? Math.max(1, size) : DEFAULT_PAGE_SIZE;
}

function sizeIn({ variables, definitions }: Walk, name: string): number {
  if (!Object.hasOwn(variables, name))
    return constantSize(definitions.find(({ variable }) => variable.name.value === name)?.defaultValue);
  const given = variables[name];
  return typeof given === 'number' ? given : NaN;
}

const constantSize = (value: ValueNode | undefined) => (value?.kind === Kind.INT ? Number(value.value) : NaN);

function tooComplex(what: string, limit: number, got: number): AppError {
  return new AppError(
    ErrorCode.QUERY_TOO_COMPLEX,
    `The ${what} of this document is ${got}, above the limit of ${limit}. Ask for less at a time.`,
    {
      expected: `at most ${limit}`,
      got: String(got),
    },
  );
}
