import type { Session } from '../../db/database.js';

/** Registers the result of a training as a new version of a model. Called in the transaction that ends the training. */
export interface RunRegistrar {
  registerFromRun(session: Session, input: { modelId: string; runId: string }): Promise<{ id: string }>;
}
