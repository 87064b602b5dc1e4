import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askOnce, type ChildProgram, explainLoss } from '../../child-task/child-task.js';
import type { ProcessLimits } from '../../child-task/limited-process.js';
import type { EnsembleOutcome, EnsembleRequest } from './ensemble/port.js';
import { ENSEMBLE_PROGRAM, EVALUATION_PROGRAM, PROBE_PROGRAM, type Work } from './programs.js';
import type { EvaluationOutcome, EvaluationRequest, ModelEvaluator, ProbeOutcome, ProbeRequest } from './port.js';

/** Evaluates on this machine, each time in a new child process. */
export class LocalEvaluator implements ModelEvaluator {
  constructor(private readonly limits: ProcessLimits) {}

  evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<EvaluationOutcome> {
    return this.perform(EVALUATION_PROGRAM, { kind: 'EVALUATE', request }, signal);
  }

  probe(request: ProbeRequest, signal: AbortSignal): Promise<ProbeOutcome> {
    return this.perform(PROBE_PROGRAM, { kind: 'PROBE', request }, signal);
  }

  combine(
    request: EnsembleRequest,
    signal: AbortSignal,
    onProgress: (share: number, message: string) => void,
  ): Promise<EnsembleOutcome> {
    return this.perform(ENSEMBLE_PROGRAM, { kind: 'ENSEMBLE', request }, signal, ({ share, message }) =>
      onProgress(share, message),
    );
  }

  private async perform<Report, Outcome>(
    program: ChildProgram<Work, Report, Outcome>,
    work: Work,
    signal: AbortSignal,
    onReport?: (report: Report) => void,
  ): Promise<Outcome> {
    signal.throwIfAborted();
    // Its temporary files are deleted with the folder, even when it is killed.
    const folder = await mkdtemp(join(tmpdir(), 'matih-evaluation-'));
    try {
      return await askOnce(program, { limits: this.limits, cwd: folder, env: { TMPDIR: folder } }, work, {
        signal,
        ...(onReport && { onReport }),
      });
    } catch (error) {
      throw explainLoss(error, program.name);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}
