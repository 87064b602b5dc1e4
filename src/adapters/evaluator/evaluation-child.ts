import { AppError, ErrorCode } from '../../errors.js';
import { OnnxEngine } from '../../inference/onnx/onnx-engine.js';
import { evaluate } from './evaluate.js';
import type { Answer, Work } from './messages.js';
import { probe } from './probe.js';

/**
 * Entry point of the process that one evaluation runs in; started by local-evaluator.ts. The models run in a host of
 * its own.
 */

async function perform(work: Work): Promise<Answer> {
  const engine = new OnnxEngine({ hosts: 1 });
  try {
    if (work.kind === 'EVALUATE') return { kind: 'EVALUATED', outcome: await evaluate(work.request, engine) };
    return { kind: 'PROBED', outcome: await probe(work.request, engine) };
  } catch (error) {
    if (error instanceof AppError)
      return { kind: 'FAILED', code: error.code, message: error.message, details: error.details };
    const stack = error instanceof Error ? error.stack : String(error);
    return { kind: 'FAILED', code: ErrorCode.INTERNAL, message: 'The evaluation failed.', details: {}, stack };
  } finally {
    await engine.close();
  }
}

process.on('message', (work: Work) => {
  void perform(work).then((answer) => process.send!(answer, () => process.disconnect()));
});
// Without its parent nobody would hear of the result.
process.on('disconnect', () => process.exit(0));
