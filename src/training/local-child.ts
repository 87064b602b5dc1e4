import { AppError, ErrorCode } from '../errors.js';
import type { FromChild, ToChild } from './local-messages.js';
import { train } from './train.js';

/** Entry point of the process that one training runs in; started by local-backend.ts. */

function send(message: FromChild): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send!(message, (error: Error | null) => (error ? reject(error) : resolve()));
  });
}

const PROGRESS_INTERVAL_MS = 100;
let progressSentAt = -Infinity;

/** Short epochs would flood the parent. */
function sendProgress(fraction: number, message: string): void {
  const now = performance.now();
  if (fraction > 0 && fraction < 1 && now - progressSentAt < PROGRESS_INTERVAL_MS) return;
  progressSentAt = now;
  void send({ type: 'progress', fraction, message });
}

let received: (() => void) | undefined;

/** Waits until the parent has dealt with the report. */
async function sendAndWait(message: FromChild): Promise<void> {
  const answered = new Promise<void>((resolve) => {
    received = resolve;
  });
  await send(message);
  await answered;
}

function failure(error: unknown): FromChild {
  if (error instanceof AppError)
    return { type: 'failed', error: { code: error.code, message: error.message, details: error.details } };
  const stack = error instanceof Error ? error.stack : String(error);
  return { type: 'failed', error: { code: ErrorCode.INTERNAL, message: 'The training failed.', details: {}, stack } };
}

async function run(request: Parameters<typeof train>[0]): Promise<void> {
  try {
    const outcome = await train(request, {
      onProgress: sendProgress,
      onEpoch: (report) => sendAndWait({ type: 'epoch', report }),
      onCheckpoint: (report) => sendAndWait({ type: 'checkpoint', report }),
      onWarning: (warning) => sendAndWait({ type: 'warning', warning }),
    });
    await send({ type: 'done', outcome });
  } catch (error) {
    await send(failure(error));
  }
  process.disconnect();
}

process.on('message', (message: ToChild) => {
  if (message.type === 'start') void run(message.request);
  else received?.();
});
// Without its parent nobody would hear of the result. After the last message the parent's end of the channel closes as
// well.
process.on('disconnect', () => process.exit(0));
