import { Socket } from 'node:net';
import { AppError, diskFull } from '../errors.js';
import { V8_WIRE, type Wire } from './frames.js';
import type { FromChild, ToChild } from './messages.js';

/** What a program in a child process may send before it answers. */
export interface Parent<Report> {
  /** Resolves when the parent has handled the report. */
  report(report: Report): Promise<void>;
  /** Does not wait. */
  tell(report: Report): void;
}

const CHANNEL_FD = 3;
/** Several of them fit into the shortest time after which a silent process is ended. */
const BEAT_MS = 400;
const MAX_MESSAGE_BYTES = 2 ** 31;

/** Handles the parent's requests one after the other, until the parent closes the channel or ends. */
export function serveParent<Request, Report, Result>(
  perform: (request: Request, parent: Parent<Report>) => Promise<Result> | Result,
  wire: Wire = V8_WIRE,
): void {
  const channel = new Socket({ fd: CHANNEL_FD, readable: true, writable: true });
  const reader = wire.reader(MAX_MESSAGE_BYTES);
  const waiting: (() => void)[] = [];
  const send = (message: FromChild): void => void channel.write(wire.encode(message));
  const parent: Parent<Report> = {
    report(report) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push(resolve);
      send({ kind: 'report', report, isAwaited: true });
      return promise;
    },
    tell: (report) => send({ kind: 'report', report, isAwaited: false }),
  };
  const answer = async (request: Request): Promise<void> => {
    try {
      send({ kind: 'done', result: await perform(request, parent) });
    } catch (error) {
      send(describe(error));
    }
  };
  channel.on('data', (chunk: Buffer) => {
    for (const message of reader.push(chunk) as ToChild[]) {
      if (message.kind === 'received') waiting.shift()?.();
      // The parent sends what its types say, because it is the service itself.
      else void answer(message.request as Request);
    }
  });
  // Without its parent, nobody would receive the result.
  channel.on('close', () => process.exit(0));
  channel.on('error', () => process.exit(0));
  setInterval(() => send({ kind: 'beat' }), BEAT_MS);
}

function describe(error: unknown): FromChild {
  const known = error instanceof AppError ? error : diskFull(error);
  if (known) return { kind: 'refused', code: known.code, message: known.message, details: known.details };
  return { kind: 'failed', stack: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
