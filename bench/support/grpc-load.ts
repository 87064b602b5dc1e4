import { connect, constants, type ClientHttp2Session } from 'node:http2';
import type { LoadResult } from './http-load.ts';

export interface GrpcLoadOptions {
  port: number;
  /** The full name of the method, e.g. `/inference.GRPCInferenceService/ModelInfer`. */
  method: string;
  /** Encoded messages; each connection sends them in turn. */
  messages: Uint8Array[];
  headers: Record<string, string>;
  connections: number;
  durationMs: number;
  /** Throws when an answer is wrong; it checks one in a hundred. */
  check(message: Buffer): void;
}

const PREFIX_BYTES = 5;

/** Unary gRPC calls, one at a time on each connection, without the cost of a complete gRPC client. */
export async function grpcLoad(options: GrpcLoadOptions): Promise<LoadResult> {
  const { port, connections, durationMs } = options;
  const latenciesMs: number[] = [];
  const sessions = await Promise.all(
    Array.from({ length: connections }, async () => {
      const session = connect(`http://127.0.0.1:${port}`);
      await new Promise((resolve, reject) => session.once('connect', resolve).once('error', reject));
      return session;
    }),
  );
  const framed = options.messages.map((message) => {
    const frame = Buffer.alloc(PREFIX_BYTES + message.length);
    frame.writeUInt32BE(message.length, 1);
    frame.set(message, PREFIX_BYTES);
    return frame;
  });
  const started = performance.now();
  await Promise.all(
    sessions.map(async (session, first) => {
      for (let next = first; performance.now() < started + durationMs; next++) {
        const sentAt = performance.now();
        const answer = await callOnce(session, options, framed[next % framed.length]!);
        latenciesMs.push(performance.now() - sentAt);
        if (latenciesMs.length % 100 === 0) options.check(answer);
      }
    }),
  );
  const requestsPerSecond = latenciesMs.length / ((performance.now() - started) / 1000);
  for (const session of sessions) session.destroy();
  return { requestsPerSecond, latenciesMs };
}

function callOnce(session: ClientHttp2Session, { method, headers }: GrpcLoadOptions, frame: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let status: unknown;
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: method,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    // An error alone comes with the first headers.
    stream.on('response', (received) => (status = received['grpc-status']));
    stream.on('trailers', (received) => (status = received['grpc-status']));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () => {
      if (status === '0') resolve(Buffer.concat(chunks).subarray(PREFIX_BYTES));
      else reject(new Error(`the call ended with the status ${String(status)}`));
    });
    stream.end(frame);
  });
}
