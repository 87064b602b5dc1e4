import {
  type Metadata,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import { AppError, ErrorCode } from '../errors.js';
import type { GrpcService, Refusal } from '../protocols/open-inference/grpc.js';

export interface GrpcServer {
  /** For example `127.0.0.1:8001`. */
  address: string;
  port: number;
  /** Takes no new calls, and ends those that still run after the grace time. */
  close(): Promise<void>;
}

export interface GrpcOptions {
  host: string;
  port: number;
  /** Limit of one message. */
  maxMessageBytes: number;
  /** Decides by the metadata of a call whether its messages are read; returns why not, or null. */
  admit(path: string, metadata: Metadata): Refusal | null | Promise<Refusal | null>;
  graceMs: number;
}

/** A connection without calls for this time is closed. */
const IDLE_CONNECTION_MS = 10 * 60_000;
/** Of one connection at a time; more wait at the client. Each may hold a message of the largest size in memory. */
const MAX_CALLS = 256;

/** All gRPC protocols on one port. */
export async function startGrpc(services: readonly GrpcService[], options: GrpcOptions): Promise<GrpcServer> {
  const { host, port: wanted, maxMessageBytes, graceMs } = options;
  const server = new Server({
    interceptors: [gate(options.admit)],
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    'grpc.max_concurrent_streams': MAX_CALLS,
    'grpc.max_connection_idle_ms': IDLE_CONNECTION_MS,
  });
  for (const { definition, implementation } of services) server.addService(definition, implementation);
  const bracketed = (name: string) => (name.includes(':') ? `[${name}]` : name);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${bracketed(host)}:${wanted}`, ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(cannotListen(error, host, wanted));
      else resolve(bound);
    });
  });
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return {
    port,
    address: `${bracketed(reachable)}:${port}`,
    close: () =>
      new Promise((resolve) => {
        const late = setTimeout(() => {
          server.forceShutdown();
          resolve();
        }, graceMs);
        server.tryShutdown(() => {
          clearTimeout(late);
          resolve();
        });
      }),
  };
}

/** Messages may be large, so those of a refused caller are not read. */
function gate(admit: GrpcOptions['admit']): ServerInterceptor {
  return ({ path }, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            const decide = (refusal: Refusal | null) => {
              if (refusal) call.sendStatus(refusal);
              else pass(metadata);
            };
            const decided = admit(path, metadata);
            if (decided instanceof Promise) void decided.then(decide);
            else decide(decided);
          },
        }),
    });
}

function cannotListen(error: Error, host: string, port: number): AppError {
  return new AppError(
    ErrorCode.UNAVAILABLE,
    `Cannot listen for gRPC on ${host}:${port}. Stop what uses this port, or choose another: GRPC_PORT=8002 npm start ` +
      '(GRPC_PORT=0 takes any free one).',
    { field: 'GRPC_PORT' },
    { cause: error },
  );
}
