import { serveParent } from '../../child-task/serve-parent.js';
import { OnnxEngine } from '../../inference/onnx/onnx-engine.js';
import { evaluate } from './evaluate.js';
import type { EvaluationOutcome, ProbeOutcome } from './port.js';
import { probe } from './probe.js';
import type { Work } from './programs.js';

/**
 * Entry point of the process that runs one evaluation; started by local-evaluator.ts. The models run in a host process
 * of their own.
 */
serveParent<Work, never, EvaluationOutcome | ProbeOutcome>(async (work) => {
  const engine = new OnnxEngine({ hosts: 1 });
  try {
    return await (work.kind === 'EVALUATE' ? evaluate(work.request, engine) : probe(work.request, engine));
  } finally {
    await engine.close();
  }
});
