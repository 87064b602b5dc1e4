import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  execute,
  getOperationAST,
  Kind,
  OperationTypeNode,
  type DocumentNode,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { RequestContext } from '../resolvers/request-context.js';
import { toClientError } from './client-error.js';
import { checkQueryLimits, costsByVariables, type QueryLimits } from './query-limits.js';
import { VariableCoercion } from './variable-coercion.js';

export interface OperationOptions {
  schema: GraphQLSchema;
  limits: QueryLimits;
  logger: Logger;
  /** Gets each HTTP operation: its first root field, OK or the code of its first error, and its duration. */
  observe(field: string, code: string, seconds: number): void;
}

interface KnownDocument {
  document: DocumentNode;
  /** The same document with variables that are coerced faster; null when it has no such variables. */
  rewritten: DocumentNode | null;
  /** Whether its limits must be checked each time. */
  costsByVariables: boolean;
}

/** A request that can be answered here. */
interface KnownRequest extends KnownDocument {
  operation: OperationDefinitionNode;
  variables: Record<string, unknown>;
}

const JSON_TYPE = 'application/json; charset=utf-8';
const PLAIN_ACCEPT = new Set([undefined, '*/*', 'application/json']);

/**
 * Answers documents that Apollo has parsed and validated before, without Apollo's own steps, which take longer than a
 * prediction. Schema, limits, context and errors are the same. Only what does not depend on the request is kept; the
 * operation is looked up each time. Everything unusual, also a refusal, is left to Apollo.
 */
export class RepeatedOperations {
  private readonly known = new LRUCache<string, KnownDocument>({
    maxSize: 1024 ** 2,
    sizeCalculation: (_document, query) => query.length + 1,
  });

  private readonly coercion: VariableCoercion;

  constructor(
    private readonly options: OperationOptions,
    private readonly contextOf: (
      request: FastifyRequest,
      reply: FastifyReply,
    ) => RequestContext | Promise<RequestContext>,
    private readonly viaApollo: (request: FastifyRequest, reply: FastifyReply) => unknown,
  ) {
    this.coercion = new VariableCoercion(options.schema);
  }

  /** Stores a document that is valid and within its limits. */
  learn(query: string, document: DocumentNode): void {
    if (this.known.has(query)) return;
    const rewritten = this.coercion.rewrite(document);
    this.known.set(query, { document, rewritten, costsByVariables: costsByVariables(document) });
  }

  /** What to send. Apollo answers unknown documents, and requests that are refused before anything has run. */
  async answer(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const startedAt = performance.now();
    const known = this.find(request);
    if (!known) return this.viaApollo(request, reply);
    const { document, rewritten, operation, variables } = known;
    const { schema, limits, logger, observe } = this.options;
    let contextValue;
    try {
      const context = this.contextOf(request, reply);
      contextValue = context instanceof Promise ? await context : context;
      if (known.costsByVariables) checkQueryLimits(schema, document, variables, limits);
    } catch {
      return this.viaApollo(request, reply);
    }
    const result = await execute({
      ...(rewritten ? { schema: this.coercion.schema, document: rewritten } : { schema, document }),
      contextValue,
      variableValues: variables,
      operationName: operation.name?.value,
    });
    // The variables were refused, and nothing has run.
    if (result.data === undefined) return this.viaApollo(request, reply);
    let shown = result.errors?.map((error) => toClientError(error, logger, request.id));
    let text = JSON.stringify({ errors: shown, data: result.data });
    const refusal = contextValue.bytes?.refusalOf(operation.operation, () => text);
    if (refusal) {
      shown = [toClientError(refusal, logger, request.id)];
      text = JSON.stringify({ errors: shown, data: null });
    }
    observe(
      rootField(operation),
      String(shown?.[0]?.extensions['code'] ?? 'OK'),
      (performance.now() - startedAt) / 1000,
    );
    reply.header('content-type', JSON_TYPE);
    return text;
  }

  private find({ body, headers }: FastifyRequest): KnownRequest | null {
    const { query, variables, operationName, extensions } = (body ?? {}) as Record<string, unknown>;
    if (typeof query !== 'string' || extensions !== undefined || !PLAIN_ACCEPT.has(headers.accept)) return null;
    if (operationName != null && typeof operationName !== 'string') return null;
    if (variables != null && (typeof variables !== 'object' || Array.isArray(variables))) return null;
    const known = this.known.get(query);
    const operation = known && getOperationAST(known.document, operationName);
    if (!operation || operation.operation === OperationTypeNode.SUBSCRIPTION) return null;
    return { ...known, operation, variables: (variables ?? {}) as Record<string, unknown> };
  }
}

/**
 * The first root field: a name of the schema, because the operation is valid; an invalid operation has no such name.
 */
export function rootField(operation: OperationDefinitionNode | undefined): string {
  const [first] = operation?.selectionSet.selections ?? [];
  return first?.kind === Kind.FIELD ? first.name.value : 'other';
}
