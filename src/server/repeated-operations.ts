import type { FastifyRequest } from 'fastify';
import { execute, type DocumentNode } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { RequestContext } from '../resolvers/request-context.js';
import { toClientError } from './client-error.js';
import { CompiledVariables } from './compiled-variables.js';
import type { GraphQLOptions } from './graphql.js';
import { checkQueryLimits } from './query-limits.js';

interface Operation {
  document: DocumentNode;
  /** First root field, for the service's metrics. */
  field: string;
  /** The same document with variables that are coerced faster; null when it has none of that kind. */
  rewritten: DocumentNode | null;
}

const PLAIN_ACCEPT = new Set([undefined, '*/*', 'application/json']);

/**
 * Answers operations that Apollo has parsed, validated and run before: same schema, limits, context and errors, without Apollo's own
 * steps, which take longer than a prediction. Whatever is unusual, a refusal included, is left to Apollo.
 */
export class RepeatedOperations {
  private readonly known = new LRUCache<string, Operation>({ maxSize: 1024 ** 2, sizeCalculation: (_operation, key) => key.length });

  private readonly variables: CompiledVariables;

  constructor(
    private readonly options: GraphQLOptions,
    private readonly contextOf: (request: FastifyRequest) => Promise<RequestContext>,
  ) {
    this.variables = new CompiledVariables(options.schema);
  }

  learn(query: string, operationName: string | undefined | null, document: DocumentNode, field: string): void {
    const key = keyOf(query, operationName);
    if (!this.known.has(key)) this.known.set(key, { document, field, rewritten: this.variables.rewrite(document) });
  }

  /** The answer as JSON; null when Apollo has to answer. */
  async answer(request: FastifyRequest): Promise<string | null> {
    const startedAt = performance.now();
    const { query, variables, operationName, extensions } = (request.body ?? {}) as Record<string, unknown>;
    if (typeof query !== 'string' || extensions !== undefined || !PLAIN_ACCEPT.has(request.headers.accept)) return null;
    if (operationName != null && typeof operationName !== 'string') return null;
    if (variables != null && (typeof variables !== 'object' || Array.isArray(variables))) return null;
    const operation = this.known.get(keyOf(query, operationName));
    if (!operation) return null;
    const { schema, limits, logger, observe } = this.options;
    const { document, field, rewritten } = operation;
    const variableValues = (variables ?? {}) as Record<string, unknown>;
    let contextValue;
    try {
      contextValue = await this.contextOf(request);
      checkQueryLimits(schema, document, variableValues, limits);
    } catch {
      return null;
    }
    const what = rewritten ? { schema: this.variables.schema, document: rewritten } : { schema, document };
    const { data, errors } = await execute({ ...what, contextValue, variableValues, operationName });
    // Without data nothing has run: the variables were refused.
    if (data === undefined) return null;
    const shown = errors?.map((error) => toClientError(error, logger, request.id));
    observe(field, String(shown?.[0]?.extensions['code'] ?? 'OK'), (performance.now() - startedAt) / 1000);
    return JSON.stringify({ errors: shown, data });
  }
}

function keyOf(query: string, operationName: string | undefined | null): string {
  return `${operationName ?? ''}\n${query}`;
}
