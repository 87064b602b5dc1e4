import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import { stepsTo, type Stage } from './rules/stages.js';
import type { ModelVersionService } from './model-version.service.js';
import type { StageService } from './stage.service.js';

/**
 * Sets stages as MLflow's clients do: they name only the last stage. Makes as many steps as the rules of this service
 * need, each with its gates.
 */
export class StageMoves {
  constructor(
    private readonly versions: ModelVersionService,
    private readonly stages: StageService,
  ) {}

  /**
   * Makes all steps or none. `archiveOthers` moves the other versions of the stage to ARCHIVED. Errors of the steps:
   * GATE_NOT_PASSED, CONFLICT.
   */
  async move(
    session: Session,
    input: { modelVersionId: string; to: Stage; archiveOthers: boolean },
  ): Promise<ModelVersion> {
    const version = await this.versions.get(session, input.modelVersionId);
    const { tenant } = session;
    if (input.archiveOthers && input.to === 'STAGING') {
      const others = { tenant, modelId: version.modelId, stage: input.to, id: { $ne: version.id } };
      for (const { id } of await session.em.find(ModelVersion, others, { orderBy: { version: 'ASC' } }))
        await this.stages.demote(session, { modelVersionId: id, toStage: 'ARCHIVED' });
    }
    let moved = version;
    for (const toStage of stepsTo(version.stage, input.to)) moved = await this.step(session, moved, toStage, input.to);
    return moved;
  }

  private async step(
    session: Session,
    { id: modelVersionId, modelId }: ModelVersion,
    toStage: Stage,
    wanted: Stage,
  ): Promise<ModelVersion> {
    switch (toStage) {
      case 'DEVELOPMENT':
      case 'ARCHIVED':
        return this.stages.demote(session, { modelVersionId, toStage });
      case 'STAGING':
        return this.stages.promote(session, { modelVersionId, toStage, wanted });
      case 'PRODUCTION': {
        // A client of MLflow does not name the version that it expects to replace, so the current one is replaced.
        const present = await session.em.findOne(ModelVersion, { tenant: session.tenant, modelId, stage: toStage });
        return this.stages.promote(session, {
          modelVersionId,
          toStage,
          wanted,
          expectedProductionVersionId: present?.id ?? null,
        });
      }
    }
  }
}
