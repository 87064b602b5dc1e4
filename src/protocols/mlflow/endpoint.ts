import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Principal, Role } from '../../modules/core/index.js';
import type { Services } from '../../services.js';
import type { MeteredCall } from '../metered-call.js';

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** The caller, and what a handler works with. */
export interface Call extends MeteredCall {
  principal: Principal;
  requestId: string;
  services: Services;
  /** The address at which the caller reached this service, for links. */
  origin: string;
}

interface Route {
  methods: Method[];
  /** The path below /api/2.0 and /ajax-api/2.0, e.g. `/mlflow/runs/get`; `:name` and `*` work as in Fastify. */
  path: string;
  /** 2.0 when absent; ROOT for a path without a prefix. */
  version?: '2.0' | '3.0' | 'ROOT';
  /** The least role that may call it. A token that may only read may call what VIEWER may. */
  role: Role;
}

/**
 * Takes an object (the query of a GET, the body of others; parameters of the path replace both). Returns an object, or
 * a stream of its JSON text.
 */
export interface JsonEndpoint extends Route {
  kind: 'JSON';
  schema: z.ZodObject;
  handle(call: Call, input: unknown): Promise<object>;
}

/** Takes the body as a stream (`request.body`) and sends any answer. */
export interface StreamEndpoint extends Route {
  kind: 'STREAM';
  handle(call: Call, request: FastifyRequest, reply: FastifyReply): Promise<unknown>;
}

/** An endpoint as data. Only `registerMlflow` makes routes of them, after the single check of the caller. */
export type Endpoint = JsonEndpoint | StreamEndpoint;

export function jsonEndpoint<Schema extends z.ZodObject>(
  methods: Method[],
  path: string,
  role: Role,
  schema: Schema,
  handle: (call: Call, input: z.output<Schema>) => Promise<object>,
  version?: Route['version'],
): JsonEndpoint {
  // The type is lost only here: the route parses with this same schema before it calls the handler.
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
