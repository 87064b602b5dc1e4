import type { Server } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { json } from 'node:stream/consumers';

export interface Point {
  key: string;
  value: number;
  step: number;
  loggedAt: string;
  seq: number;
}

/** An event with the fields and the size of a metric point of the service. */
export function point(seq: number): Point {
  return { key: 'loss', value: Math.random(), step: seq, loggedAt: new Date().toISOString(), seq };
}

/** Answers POST /emit by sending the batches, each in its own turn of the event loop. */
export function answerEmit(http: Server, emit: (batchSize: number) => void): void {
  http.on('request', async (request, response) => {
    const { batches, batchSize } = (await json(request)) as { batches: number; batchSize: number };
    for (let i = 0; i < batches; i++) {
      emit(batchSize);
      await nextTurn();
    }
    response.end('{}');
  });
}
