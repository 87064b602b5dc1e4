import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Session } from '../../db/database.js';
import type { Principal, Role } from '../../modules/core/index.js';
import type { Services } from '../../services.js';

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Who calls, and what a handler works with. */
export interface Call {
  principal: Principal;
  requestId: string;
  services: Services;
  /** Address at which the caller reached this service, for links. */
  origin: string;
  /** One use case in one transaction, as the caller's tenant. */
  run<T>(work: (session: Session) => Promise<T>): Promise<T>;
}

interface Route {
  methods: Method[];
  /** Under /api/2.0 and /ajax-api/2.0, e.g. `/mlflow/runs/get`; `:name` and `*` as Fastify has them. */
  path: string;
  /** 2.0 when absent; ROOT for a path without a prefix. */
  version?: '2.0' | '3.0' | 'ROOT';
  /** The least role that may call it. A token that only reads may call what VIEWER may. */
  role: Role;
}

/**
 * Takes an object (the query of a GET, the body of others, the parameters of the path over both) and answers one, or
 * the text of one as a stream.
 */
export interface JsonEndpoint extends Route {
  kind: 'JSON';
  schema: z.ZodObject;
  handle(call: Call, input: unknown): Promise<object>;
}

/** Takes the body as a stream (`request.body`) and answers as it likes. */
export interface StreamEndpoint extends Route {
  kind: 'STREAM';
  handle(call: Call, request: FastifyRequest, reply: FastifyReply): Promise<unknown>;
}

/** An endpoint as data. Only `registerMlflow` makes routes of them, behind the one check of who calls. */
export type Endpoint = JsonEndpoint | StreamEndpoint;

export function jsonEndpoint<Schema extends z.ZodObject>(
  methods: Method[],
  path: string,
  role: Role,
  schema: Schema,
  handle: (call: Call, input: z.output<Schema>) => Promise<object>,
  version?: Route['version'],
): JsonEndpoint {
  // Erased here alone: the runner parses with this same schema before it calls.
  return {
    kind: 'JSON',
    methods,
    path,
    role,
    schema,
    version,
    handle: (call, input) => handle(call, input as z.output<Schema>),
  };
}

export function streamEndpoint(
  methods: Method[],
  path: string,
  role: Role,
  handle: StreamEndpoint['handle'],
  version?: Route['version'],
): StreamEndpoint {
  return { kind: 'STREAM', methods, path, role, handle, version };
}
