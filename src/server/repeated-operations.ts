import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  execute,
  Kind,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLSchema,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { RequestContext } from '../resolvers/request-context.js';
import { toClientError } from './client-error.js';
import { CompiledAnswers, type CompiledAnswer } from './compiled-answers.js';
import { CompiledVariables, type ReadVariables } from './compiled-variables.js';
import { checkQueryLimits, costsByVariables, type QueryLimits } from './query-limits.js';

export interface OperationOptions {
  schema: GraphQLSchema;
  limits: QueryLimits;
  logger: Logger;
  /**
   * Told of each operation over HTTP: its first root field, OK or the code of its first error, and how long it took.
   */
  observe(field: string, code: string, seconds: number): void;
}

interface Operation {
  document: DocumentNode;
  /** First root field, for the service's metrics. */
  field: string;
  /** Whether its limits have to be looked at each time. */
  costsByVariables: boolean;
  /** The same document with variables that are coerced faster; null when it has none of that kind. */
  rewritten: DocumentNode | null;
  /** Null for what graphql-js has to run. */
  compiled: { answer: CompiledAnswer; readVariables: ReadVariables } | null;
}

/** A request's body, once it has been looked at. */
interface Body {
  variables?: Record<string, unknown> | null;
  operationName?: string | null;
}

type Given = Pick<ExecutionArgs, 'operationName'> & {
  contextValue: RequestContext;
  variableValues: Record<string, unknown>;
};

const JSON_TYPE = 'application/json; charset=utf-8';
const PLAIN_ACCEPT = new Set([undefined, '*/*', 'application/json']);

/**
 * Answers operations that Apollo has parsed, validated and run before: same schema, limits, context and errors, without
 * Apollo's own steps, which take longer than a prediction. Whatever is unusual, a refusal included, is left to Apollo.
 */
export class RepeatedOperations {
  private readonly known = new LRUCache<string, Operation>({
    maxSize: 1024 ** 2,
    sizeCalculation: (_operation, key) => key.length,
  });

  private readonly variables: CompiledVariables;
  private readonly answers: CompiledAnswers;

  constructor(
    private readonly options: OperationOptions,
    private readonly contextOf: (request: FastifyRequest) => RequestContext | Promise<RequestContext>,
    private readonly viaApollo: (request: FastifyRequest, reply: FastifyReply) => unknown,
  ) {
    this.variables = new CompiledVariables(options.schema);
    this.answers = new CompiledAnswers(options.schema);
  }

  learn(query: string, operationName: string | undefined | null, document: DocumentNode, field: string): void {
    const key = keyOf(query, operationName);
    if (this.known.has(key)) return;
    const answer = this.answers.compile(document);
    const operation = document.definitions.find((definition) => definition.kind === Kind.OPERATION_DEFINITION);
    this.known.set(key, {
      document,
      field,
      costsByVariables: costsByVariables(document),
      rewritten: this.variables.rewrite(document),
      compiled: answer && { answer, readVariables: this.variables.reader(operation?.variableDefinitions ?? []) },
    });
  }

  /** What to send. Apollo answers what is not known, and what is refused before anything has run. */
  async answer(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const startedAt = performance.now();
    const operation = this.find(request);
    if (!operation) return this.viaApollo(request, reply);
    const { document, field, compiled } = operation;
    const { schema, limits, logger, observe } = this.options;
    const { variables, operationName } = request.body as Body;
    const variableValues = variables ?? {};
    let contextValue;
    try {
      const context = this.contextOf(request);
      contextValue = context instanceof Promise ? await context : context;
      if (operation.costsByVariables) checkQueryLimits(schema, document, variableValues, limits);
    } catch {
      return this.viaApollo(request, reply);
    }
    const given = { contextValue, variableValues, operationName };
    let result: ExecutionResult;
    if (compiled) {
      const values = compiled.readVariables(variableValues);
      if (!values) return this.viaApollo(request, reply);
      const { answer } = compiled;
      let outcome: () => unknown;
      try {
        const value: unknown = await answer.ask(contextValue, values);
        outcome = () => value;
      } catch (error) {
        outcome = () => {
          throw error;
        };
      }
      try {
        const json = answer.write(outcome());
        observe(field, 'OK', (performance.now() - startedAt) / 1000);
        reply.header('content-type', JSON_TYPE);
        return json;
      } catch {
        result = await execute({
          schema: this.answers.schema,
          document,
          ...given,
          rootValue: answer.rootValue(outcome),
        });
      }
    } else {
      result = await this.run(operation, given);
      // The variables were refused, and nothing has run.
      if (result.data === undefined) return this.viaApollo(request, reply);
    }
    const shown = result.errors?.map((error) => toClientError(error, logger, request.id));
    observe(field, String(shown?.[0]?.extensions['code'] ?? 'OK'), (performance.now() - startedAt) / 1000);
    reply.header('content-type', JSON_TYPE);
    return JSON.stringify({ errors: shown, data: result.data });
  }

  private find({ body, headers }: FastifyRequest): Operation | undefined {
    const { query, variables, operationName, extensions } = (body ?? {}) as Record<string, unknown>;
    if (typeof query !== 'string' || extensions !== undefined || !PLAIN_ACCEPT.has(headers.accept)) return undefined;
    if (operationName != null && typeof operationName !== 'string') return undefined;
    if (variables != null && (typeof variables !== 'object' || Array.isArray(variables))) return undefined;
    return this.known.get(keyOf(query, operationName));
  }

  private async run({ document, rewritten }: Operation, given: Given): Promise<ExecutionResult> {
    const schema = rewritten ? this.variables.schema : this.options.schema;
    return execute({ schema, document: rewritten ?? document, ...given });
  }
}

function keyOf(query: string, operationName: string | undefined | null): string {
  return `${operationName ?? ''}\n${query}`;
}
