// The upper limit: a WebSocket server that serialises each event once and writes the same text to every client. POST
// /emit {batches, batchSize} sends that many events; the first line on standard output says where it listens.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { answerEmit, point } from './emit.ts';

const http = createServer();
const sockets = new WebSocketServer({ server: http, perMessageDeflate: false });
let seq = 0;
answerEmit(http, (batchSize) => {
  for (let i = 0; i < batchSize; i++) {
    const text = JSON.stringify({
      id: 'a3a2b1c4-55d6-4e0b-9f4a-1f0a2b3c4d5e',
      type: 'next',
      payload: { data: { runMetrics: point(++seq) } },
    });
    for (const client of sockets.clients) client.send(text);
  }
});
http.listen(0, '127.0.0.1', () =>
  process.stdout.write(`${JSON.stringify({ port: (http.address() as { port: number }).port })}\n`),
);
process.on('SIGTERM', () => process.exit(0));
