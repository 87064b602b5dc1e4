import { serveParent } from '../../child-task/serve-parent.js';
import { OnnxEngine } from '../../inference/onnx/onnx-engine.js';
import { evaluate } from './evaluate.js';
import { makeEnsemble } from './ensemble/ensemble.js';
import type { EnsembleOutcome } from './ensemble/port.js';
import type { EvaluationOutcome, ProbeOutcome } from './port.js';
import { probe } from './probe.js';
import type { EnsembleProgress, Work } from './programs.js';

const PROGRESS_INTERVAL_MS = 200;

/** Without it, short epochs would send too many messages to the parent. */
function throttled(tell: (report: EnsembleProgress) => void): (share: number, message: string) => void {
  let sentAt = -Infinity;
  return (share, message) => {
    const now = performance.now();
    if (now - sentAt < PROGRESS_INTERVAL_MS) return;
    sentAt = now;
    tell({ share, message });
  };
}

/**
 * Entry point of the process that runs one evaluation; started by local-evaluator.ts. The models run in a host process
 * of their own.
 */
serveParent<Work, EnsembleProgress, EvaluationOutcome | ProbeOutcome | EnsembleOutcome>(async (work, parent) => {
  const engine = new OnnxEngine({ hosts: 1 });
  try {
    switch (work.kind) {
      case 'EVALUATE':
        return await evaluate(work.request, engine);
      case 'PROBE':
        return await probe(work.request, engine);
      case 'ENSEMBLE':
        return await makeEnsemble(
          work.request,
          engine,
          throttled((report) => parent.tell(report)),
        );
    }
  } finally {
    await engine.close();
  }
});
