import type { z } from 'zod';
import type { Principal } from '../../modules/core/index.js';
import type { RequestHeaders } from '../../modules/serving/index.js';
import type { Services } from '../../services.js';
import type { Need } from '../caller.js';
import type { MeteredCall } from '../metered-call.js';

/** The caller, and what a handler works with. */
export interface RestCall extends MeteredCall {
  principal: Principal;
  /** The bearer token as it was sent. */
  token: string | null;
  requestId: string;
  /** With names in lower case. */
  headers: RequestHeaders;
  services: Services;
}

/** An operation as data: `registerRest` makes a route and `openApi` a description from the same schemas. */
export interface Operation {
  id: string;
  method: 'GET' | 'POST';
  /** The path below /v1, e.g. `/endpoints/{name}/predict`. */
  path: string;
  summary: string;
  description: string;
  /** The rights that the caller's token needs. ATTEMPT: the token of an attempt of a job, which the service checks. */
  need: Need | 'ATTEMPT';
  /** Parameters of the path, and their meaning. */
  params: Record<string, string>;
  body: z.ZodType | null;
  example: unknown;
  answer: z.ZodType;
  handle(call: RestCall, params: Record<string, string>, body: unknown): Promise<unknown>;
}

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
  // The type is lost only here: the route parses with this same schema before it calls the handler.
  return { ...given, handle: (call, params, body) => given.handle(call, params, body as never) };
}
