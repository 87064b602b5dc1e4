import type { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';

/** Follows the stages and aliases of a model, as endpoints do. If it throws, the change is rolled back. */
export interface VersionFollower {
  /** Called in the transaction of the change, after the new stages are written. The caller holds the model's lock. */
  stageChanged(session: Session, modelId: string): Promise<void>;
  /** The same for one alias that was set or deleted. */
  aliasChanged(session: Session, modelId: string, alias: string): Promise<void>;
  /**
   * Call before a version becomes deployable. From then on no alias or endpoint of its model changes in another
   * transaction.
   */
  lock(session: Session, modelId: string): Promise<void>;
  /**
   * A version can be deployed from now on: endpoints that waited for it move to it. The caller has called `lock` and
   * written the change.
   */
  versionStored(session: Session, version: Pick<ModelVersion, 'id' | 'modelId'>): Promise<void>;
}

/** All followers of versions. Modules that depend on the registry add themselves. */
export class VersionFollowers implements VersionFollower {
  private readonly followers: VersionFollower[] = [];

  add(follower: VersionFollower): void {
    this.followers.push(follower);
  }

  async stageChanged(session: Session, modelId: string): Promise<void> {
    for (const follower of this.followers) await follower.stageChanged(session, modelId);
  }

  async aliasChanged(session: Session, modelId: string, alias: string): Promise<void> {
    for (const follower of this.followers) await follower.aliasChanged(session, modelId, alias);
  }

  async lock(session: Session, modelId: string): Promise<void> {
    for (const follower of this.followers) await follower.lock(session, modelId);
  }

  async versionStored(session: Session, version: Pick<ModelVersion, 'id' | 'modelId'>): Promise<void> {
    for (const follower of this.followers) await follower.versionStored(session, version);
  }
}
