import type { FastifyRequest } from 'fastify';
import { execute, type DocumentNode } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { RequestContext } from '../resolvers/request-context.js';
import { toClientError } from './client-error.js';
import type { GraphQLOptions } from './graphql.js';
import { checkQueryLimits } from './query-limits.js';

interface Operation {
  document: DocumentNode;
  /** First root field, for the service's metrics. */
  field: string;
}

const PLAIN_ACCEPT = new Set([undefined, '*/*', 'application/json']);

/**
 * Answers operations that Apollo has parsed, validated and run before: same schema, limits, context and errors, without Apollo's own
 * steps, which take longer than a prediction. Whatever is unusual, a refusal included, is left to Apollo.
 */
export class RepeatedOperations {
  private readonly known = new LRUCache<string, Operation>({ maxSize: 1024 ** 2, sizeCalculation: (_operation, key) => key.length });

  constructor(
    private readonly options: GraphQLOptions,
    private readonly contextOf: (request: FastifyRequest) => Promise<RequestContext>,
  ) {}

  learn(query: string, operationName: string | undefined | null, operation: Operation): void {
    this.known.set(keyOf(query, operationName), operation);
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
    const { document, field } = operation;
    const variableValues = (variables ?? {}) as Record<string, unknown>;
    let contextValue;
    try {
      contextValue = await this.contextOf(request);
      checkQueryLimits(schema, document, variableValues, limits);
    } catch {
      return null;
    }
    const { data, errors } = await execute({ schema, document, contextValue, variableValues, operationName });
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
