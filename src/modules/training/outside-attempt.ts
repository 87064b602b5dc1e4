import type { OutsideWork } from '../../training/port.js';
import type { Attempt } from '../jobs/index.js';
import type { CheckpointService } from './checkpoint.service.js';
import { WorkFiles, type WorkFilesParts, type WorkLog } from './work-files.js';

export interface OutsideAttemptParts extends WorkFilesParts {
  checkpoints: CheckpointService;
}

/** An attempt whose training runs outside the service. */
export class OutsideAttempt extends WorkFiles implements OutsideWork {
  constructor(
    private readonly parts: OutsideAttemptParts,
    attempt: Attempt,
    backend: string,
    log: WorkLog,
  ) {
    super(parts, attempt, backend, log);
  }

  async restore(path: string): Promise<boolean> {
    return (await this.parts.checkpoints.restore(this.attempt, path)) !== null;
  }
}
