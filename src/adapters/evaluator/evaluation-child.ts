import { serveParent } from '../../child-task/serve-parent.js';
import { OnnxEngine } from '../../inference/onnx/onnx-engine.js';
import { evaluate } from './evaluate.js';
import { makeEnsemble } from './ensemble/ensemble.js';
import type { EnsembleOutcome } from './ensemble/port.js';
import type { EvaluationOutcome, ProbeOutcome } from './port.js';
import { probe } from './probe.js';
import type { Work } from './programs.js';

/**
 * Entry point of the process that runs one evaluation; started by local-evaluator.ts. The models run in a host process
 * of their own.
 */
serveParent<Work, never, EvaluationOutcome | ProbeOutcome | EnsembleOutcome>(async (work) => {
  const engine = new OnnxEngine({ hosts: 1 });
  try {
    switch (work.kind) {
      case 'EVALUATE':
        return await evaluate(work.request, engine);
      case 'PROBE':
        return await probe(work.request, engine);
      case 'ENSEMBLE':
        return await makeEnsemble(work.request, engine);
    }
  } finally {
    await engine.close();
  }
});
