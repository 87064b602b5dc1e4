import { AppError, ErrorCode } from '../../errors.js';
import type { RayWork } from '../ray/ray-work.js';
import { BatchFiles, type PartFiles } from './batch-files.js';
import type { BatchPredictor, BatchRequest } from './port.js';

/** Predicts by Ray Data: each process of a pool takes one part after the other. */
export class RayBatchPredictor implements BatchPredictor {
  readonly name: string;

  constructor(
    private readonly work: RayWork,
    private readonly files: PartFiles,
  ) {
    this.name = work.name;
  }

  problem(): Promise<string | null> {
    return this.work.problem();
  }

  async predict(request: BatchRequest, signal: AbortSignal): Promise<void> {
    const { outside } = request;
    const batch = new BatchFiles(this.files, request);
    const runningId = outside.runningId !== null && (await batch.adopt(outside.runningId)) ? outside.runningId : null;
    let current = runningId ?? outside.id;
    const prepare = async () => {
      current = outside.id;
      await batch.give(signal);
      // Its first process only waits for the others.
      return { entrypoint: 'python -m matih_ml.batch.on_ray', cpus: 0 };
    };
    const watch = {
      onProgress: (message: string) => request.onWaiting(message),
      onPoll: () => batch.take(current),
      result: async (id: string) => {
        // What is predicted stays, however the work has ended.
        await batch.take(id);
        return batch.resultOf(id, (text) => this.work.redacted(text));
      },
    };
    await this.work.complete(outside, runningId, { prepare, watch }, signal);
    if (!batch.isComplete) throw new AppError(ErrorCode.UNAVAILABLE, 'Predictions that the work has stored are gone.');
  }
}
