import {
  createSourceEventStream,
  execute,
  GraphQLError,
  Kind,
  OperationTypeNode,
  visit,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
} from 'graphql';
import { AppError, ErrorCode } from '../errors.js';
import type { RequestContext } from '../resolvers/request-context.js';
import type { SocketWriter } from './socket-writer.js';

/** One operation of one socket. */
export interface SubscriptionArgs extends ExecutionArgs {
  document: DocumentNode;
  contextValue: RequestContext;
  variableValues?: Record<string, unknown> | null;
  /** The text of `document`. */
  query: string;
  /** The id that the client gave to the operation. */
  id: string;
  writer: SocketWriter;
}

export interface HubOptions {
  /** A context for one event, with its own caches. */
  newContext(of: RequestContext): RequestContext;
  toClientErrors(errors: readonly GraphQLError[], context: RequestContext): GraphQLError[];
}

/** Subscriptions for which events have the same answers. */
interface Group {
  members: number;
  /** The answer to each event, as JSON. */
  answers: WeakMap<object, string | Promise<string>>;
}

/**
 * Executes and serialises an event once for all subscriptions with the same operation, tenant and role. A live feed
 * gives one row object to all its followers, and only the operation id of a frame differs. Each subscription still
 * reads its source at its own speed, so that a slow one costs a few kilobytes and misses nothing.
 */
export class SubscriptionHub {
  private readonly groups = new Map<string, Group>();

  constructor(private readonly options: HubOptions) {}

  /**
   * Replaces graphql-js's `subscribe`. The returned iterator yields nothing and ends with the subscription: frames are
   * written directly to the socket.
   */
  async subscribe(args: SubscriptionArgs): Promise<AsyncIterableIterator<never> | ExecutionResult> {
    const source = await createSourceEventStream(args);
    return Symbol.asyncIterator in source ? this.deliver(source[Symbol.asyncIterator](), args) : source;
  }

  private deliver(source: AsyncIterator<unknown>, args: SubscriptionArgs): AsyncIterableIterator<never> {
    let over = false;
    const end = async (): Promise<IteratorResult<never>> => {
      over = true;
      await source.return?.();
      return { done: true, value: undefined };
    };
    const pump = async (): Promise<IteratorResult<never>> => {
      const key = groupKey(args);
      const group = this.join(key);
      const { writer } = args;
      const id = JSON.stringify(args.id);
      const send = (answer: string) => writer.send(`{"id":${id},"type":"next","payload":${answer}}`);
      try {
        for (;;) {
          const { done, value } = await source.next();
          if (done || over) return { done: true, value: undefined };
          const answer = this.answer(group, args, value);
          send(typeof answer === 'string' ? answer : await answer);
          const wait = writer.wait();
          if (wait) await wait;
          if (writer.isStalled) {
            send(await this.execute(args, tooSlow()));
            return await end();
          }
        }
      } finally {
        this.leave(key, group);
      }
    };
    return {
      next: pump,
      return: end,
      throw: end,
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  private answer(group: Group, args: SubscriptionArgs, item: unknown): string | Promise<string> {
    if (typeof item !== 'object' || item === null) return this.execute(args, item);
    const known = group.answers.get(item);
    if (known !== undefined) return known;
    const answer = this.execute(args, item);
    group.answers.set(item, answer);
    return answer;
  }

  private execute(args: SubscriptionArgs, rootValue: unknown): string | Promise<string> {
    const contextValue = this.options.newContext(args.contextValue);
    const toText = ({ errors, ...result }: ExecutionResult) => {
      const shown = (found: readonly GraphQLError[]) => this.options.toClientErrors(found, contextValue);
      const text = JSON.stringify(errors ? { ...result, errors: shown(errors) } : result);
      const refusal = contextValue.bytes?.refusalOf(OperationTypeNode.SUBSCRIPTION, () => text);
      contextValue.bytes?.end();
      return refusal
        ? JSON.stringify({ errors: shown([new GraphQLError(refusal.message, { originalError: refusal })]), data: null })
        : text;
    };
    const result = execute({ ...args, rootValue, contextValue });
    return 'then' in result ? result.then(toText) : toText(result);
  }

  private join(key: string): Group {
    let group = this.groups.get(key);
    if (!group) {
      group = { members: 0, answers: new WeakMap() };
      this.groups.set(key, group);
    }
    group.members++;
    return group;
  }

  private leave(key: string, group: Group): void {
    if (--group.members === 0) this.groups.delete(key);
  }
}

const tooSlow = () =>
  new AppError(
    ErrorCode.RESOURCE_EXHAUSTED,
    'This subscriber read nothing for ten seconds while events waited. Subscribe again with `after` set to ' +
      'the last `seq` you have: nothing is lost.',
  );

/** Nothing else changes an answer: fields are authorised by role, rows by tenant. */
function groupKey({
  contextValue: { principal },
  document,
  query,
  operationName,
  variableValues,
}: SubscriptionArgs): string {
  const { [resumeVariable(document) ?? '']: _after, ...variables } = variableValues ?? {};
  return JSON.stringify([principal.tenant, principal.role, query, operationName, variables]);
}

/** The variable that only says where to begin: the same events have the same answers wherever a subscription began. */
function resumeVariable(document: DocumentNode): string | null {
  let name: string | null = null;
  const uses = new Map<string, number>();
  visit(document, {
    VariableDefinition: () => false,
    Variable: (node) => void uses.set(node.name.value, (uses.get(node.name.value) ?? 0) + 1),
    Argument: (argument, _key, _parent, _path, ancestors) => {
      const kinds = ancestors.flatMap((ancestor) => ('kind' in ancestor ? [ancestor.kind] : []));
      const isOfRootField =
        kinds.includes(Kind.OPERATION_DEFINITION) && kinds.filter((kind) => kind === Kind.SELECTION_SET).length === 1;
      if (isOfRootField && argument.name.value === 'after' && argument.value.kind === Kind.VARIABLE)
        name = argument.value.name.value;
    },
  });
  return name !== null && uses.get(name) === 1 ? name : null;
}
