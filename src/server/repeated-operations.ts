import type { FastifyRequest } from 'fastify';
import {
  execute,
  getVariableValues,
  Kind,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type VariableDefinitionNode,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import type { RequestContext } from '../resolvers/request-context.js';
import { toClientError } from './client-error.js';
import { CompiledAnswers, type CompiledAnswer } from './compiled-answers.js';
import { CompiledVariables } from './compiled-variables.js';
import type { GraphQLOptions } from './graphql.js';
import { checkQueryLimits } from './query-limits.js';

interface Operation {
  document: DocumentNode;
  /** First root field, for the service's metrics. */
  field: string;
  /** The same document with variables that are coerced faster; null when it has none of that kind. */
  rewritten: DocumentNode | null;
  /** Null for what graphql-js has to run. */
  compiled: { answer: CompiledAnswer; variables: readonly VariableDefinitionNode[] } | null;
}

type Given = Pick<ExecutionArgs, 'operationName'> & { contextValue: RequestContext; variableValues: Record<string, unknown> };

const PLAIN_ACCEPT = new Set([undefined, '*/*', 'application/json']);

/**
 * Answers operations that Apollo has parsed, validated and run before: same schema, limits, context and errors, without Apollo's own
 * steps, which take longer than a prediction. Whatever is unusual, a refusal included, is left to Apollo.
 */
export class RepeatedOperations {
  private readonly known = new LRUCache<string, Operation>({ maxSize: 1024 ** 2, sizeCalculation: (_operation, key) => key.length });

  private readonly variables: CompiledVariables;
  private readonly answers: CompiledAnswers;

  constructor(
    private readonly options: GraphQLOptions,
    private readonly contextOf: (request: FastifyRequest) => Promise<RequestContext>,
  ) {
    this.variables = new CompiledVariables(options.schema);
    this.answers = new CompiledAnswers(options.schema);
  }

  learn(query: string, operationName: string | undefined | null, document: DocumentNode, field: string): void {
    const key = keyOf(query, operationName);
    if (this.known.has(key)) return;
    const rewritten = this.variables.rewrite(document);
    const answer = this.answers.compile(document);
    const operation = (rewritten ?? document).definitions.find((definition) => definition.kind === Kind.OPERATION_DEFINITION);
    this.known.set(key, { document, field, rewritten, compiled: answer && { answer, variables: operation?.variableDefinitions ?? [] } });
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
    const result = await this.run(operation, { contextValue, variableValues, operationName });
    if (result === null) return null;
    const isWritten = typeof result === 'string';
    const shown = isWritten ? undefined : result.errors?.map((error) => toClientError(error, logger, request.id));
    observe(field, String(shown?.[0]?.extensions['code'] ?? 'OK'), (performance.now() - startedAt) / 1000);
    return isWritten ? result : JSON.stringify({ errors: shown, data: result.data });
  }

  /** The answer, as JSON already when it was compiled and all is well; null when the variables were refused, and nothing has run. */
  private async run({ document, rewritten, compiled }: Operation, given: Given): Promise<string | ExecutionResult | null> {
    const schema = rewritten ? this.variables.schema : this.options.schema;
    if (compiled) {
      const { coerced } = getVariableValues(schema, compiled.variables, given.variableValues);
      if (!coerced) return null;
      const outcome = await compiled.answer(given.contextValue, coerced);
      if ('json' in outcome) return outcome.json;
      return execute({ schema: this.answers.schema, document, ...given, rootValue: outcome.rootValue });
    }
    const result = await execute({ schema, document: rewritten ?? document, ...given });
    return result.data === undefined ? null : result;
  }
}

function keyOf(query: string, operationName: string | undefined | null): string {
  return `${operationName ?? ''}\n${query}`;
}
