import type { Session } from '../../db/database.js';

/** What moves when a model's stages change: endpoints that follow one. */
export interface StageFollower {
  /** In the transaction of the change, after the new stages are written; what it throws undoes the change. */
  stageChanged(session: Session, modelId: string): Promise<void>;
}
