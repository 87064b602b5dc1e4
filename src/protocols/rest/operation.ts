import type { z } from 'zod';
import type { Session } from '../../db/database.js';
import type { Principal } from '../../modules/core/index.js';
import type { Services } from '../../services.js';
import type { Need } from '../caller.js';

/** Who calls, and what a handler works with. */
export interface RestCall {
  principal: Principal;
  /** The bearer token as it came. */
  token: string | null;
  requestId: string;
  services: Services;
  /** One use case in one transaction, as the caller's tenant. */
  run<T>(work: (session: Session) => Promise<T>): Promise<T>;
}

/** An operation as data: `registerRest` makes a route and `openApi` a description from the same schemas. */
export interface Operation {
  id: string;
  method: 'GET' | 'POST';
  /** Under /v1, e.g. `/endpoints/{name}/predict`. */
  path: string;
  summary: string;
  description: string;
  /** What its caller's token must be good for. ATTEMPT: the token of an attempt at a job, which the service checks. */
  need: Need | 'ATTEMPT';
  /** Parameters of the path with what they mean. */
  params: Record<string, string>;
  body: z.ZodType | null;
  example: unknown;
  answer: z.ZodType;
  handle(call: RestCall, params: Record<string, string>, body: unknown): Promise<unknown>;
}

/** Services call what came `input`, as GraphQL does; here it is the body itself. */
export const inWordsOfBody = (text: string) => text.replace(/^input\./, '');

export function operation<Body extends z.ZodType | null, Answer extends z.ZodType>(
  given: Omit<Operation, 'body' | 'answer' | 'handle'> & {
    body: Body;
    answer: Answer;
    handle(
      call: RestCall,
      params: Record<string, string>,
      body: Body extends z.ZodType ? z.output<Body> : null,
    ): Promise<z.input<Answer>>;
  },
): Operation {
  // Erased here alone: the route parses with this same schema before it calls.
  return { ...given, handle: (call, params, body) => given.handle(call, params, body as never) };
}
