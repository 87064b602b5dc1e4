// Plain graphql-ws: the same subscription with an in-process source, executed and serialised per subscriber, as the
// library does it. POST /emit {batches, batchSize} sends that many events; the first line on standard output says where
// it listens.
import { createServer } from 'node:http';
import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { answerEmit, point, type Point } from './emit.ts';

const schema = buildSchema(`
  type Query { ok: Boolean }
  type MetricPoint { key: String! value: Float! step: Int! loggedAt: String! seq: Int! }
  type Subscription { runMetrics(runId: ID!): MetricPoint! }`);

class Source {
  private readonly waiting: Point[] = [];
  private wake: (() => void) | null = null;

  push(item: Point): void {
    this.waiting.push(item);
    this.wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<{ runMetrics: Point }> {
    for (;;) {
      for (const item of this.waiting.splice(0)) yield { runMetrics: item };
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}

const sources = new Set<Source>();
const http = createServer();
const sockets = new WebSocketServer({ server: http, perMessageDeflate: false });
const subscribe = () => {
  const source = new Source();
  sources.add(source);
  return source;
};
useServer({ schema, roots: { subscription: { runMetrics: subscribe } } }, sockets);
let seq = 0;
answerEmit(http, (batchSize) => {
  for (let i = 0; i < batchSize; i++) {
    const item = point(++seq);
    for (const source of sources) source.push(item);
  }
});
http.listen(0, '127.0.0.1', () =>
  process.stdout.write(`${JSON.stringify({ port: (http.address() as { port: number }).port })}\n`),
);
process.on('SIGTERM', () => process.exit(0));
