import { type Parent, serveParent } from '../child-task/serve-parent.js';
import type { TrainingReport } from './local-program.js';
import type { TrainingOutcome, TrainingRequest } from './port.js';
import { train } from './train.js';

/** Entry point of the process that runs one training; started by local-backend.ts. */

const PROGRESS_INTERVAL_MS = 100;

/** Without it, short epochs would send too many messages to the parent. */
function throttled(parent: Parent<TrainingReport>): (fraction: number, message: string) => void {
  let sentAt = -Infinity;
  return (fraction, message) => {
    const now = performance.now();
    if (fraction < 1 && now - sentAt < PROGRESS_INTERVAL_MS) return;
    sentAt = now;
    parent.tell({ type: 'progress', fraction, message });
  };
}

serveParent<TrainingRequest, TrainingReport, TrainingOutcome>((request, parent) =>
  train(request, {
    onProgress: throttled(parent),
    onEpoch: (report) => parent.report({ type: 'epoch', report }),
    onCheckpoint: (report) => parent.report({ type: 'checkpoint', report }),
    onFold: (result) => parent.report({ type: 'fold', result }),
    onWarning: (warning) => parent.report({ type: 'warning', warning }),
  }),
);
