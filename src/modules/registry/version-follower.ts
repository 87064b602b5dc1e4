import type { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';

/** Follows a model's stages and aliases, as endpoints do. An error that it throws rolls back the change. */
export interface VersionFollower {
  /** In the transaction of the change, after the new stages are written. The caller holds the model's lock. */
  stageChanged(session: Session, modelId: string): Promise<void>;
  /** The same for one alias, set or deleted. */
  aliasChanged(session: Session, modelId: string, alias: string): Promise<void>;
  /** Before a version gets what it needs to be deployed: from here on no alias or endpoint of its model changes. */
  lock(session: Session, modelId: string): Promise<void>;
  /**
   * A version can be deployed from now on: who waited for it goes to it. The caller has called `lock`, and written the
   * change.
   */
  versionStored(session: Session, version: Pick<ModelVersion, 'id' | 'modelId'>): Promise<void>;
}

/** Everybody who follows versions: modules above the registry add themselves. */
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
