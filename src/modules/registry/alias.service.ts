import type { LiveEvents } from '../../adapters/live-events/port.js';
import { ModelAlias } from '../../db/entities/registry/model-alias.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Model } from '../../db/entities/registry/model.entity.js';
import type { Session } from '../../db/database.js';
import { audit, emitEvent } from '../platform/index.js';
import { checkAlias } from './rules/alias.js';
import { AppError, badInput, ErrorCode, notFound } from '../../errors.js';
import type { ModelService } from './model.service.js';
import type { VersionFollower } from './version-follower.js';
import { REGISTRY_EVENTS } from './events.js';

/**
 * Aliases. Each is a name that points to one version of a model and can be set to another version at any time;
 * endpoints may follow it.
 */
export class AliasService {
  constructor(
    private readonly live: LiveEvents,
    private readonly models: ModelService,
    private readonly follower: VersionFollower,
  ) {}

  /** Sets the alias to a version of the model. Errors: NOT_FOUND, BAD_USER_INPUT. */
  async set(
    session: Session,
    input: { modelId: string; alias: string } & ({ modelVersionId: string } | { version: number }),
  ): Promise<ModelAlias> {
    const alias = checkAlias('input.alias', input.alias);
    const model = await this.models.lock(session, input.modelId);
    const version = await this.versionOf(
      session,
      model,
      'modelVersionId' in input ? { id: input.modelVersionId } : input,
    );
    const present = await this.find(session, model.id, alias);
    const previousId = present?.modelVersionId ?? null;
    const row =
      present ??
      session.em.create(ModelAlias, {
        tenant: session.tenant,
        modelId: model.id,
        alias,
        modelVersionId: version.id,
        createdBy: session.principal.subject,
      });
    row.modelVersionId = version.id;
    const subject = { type: 'modelVersion', id: version.id };
    audit(
      session,
      'setModelAlias',
      subject,
      { alias, modelVersionId: previousId },
      { alias, modelVersionId: version.id },
    );
    if (previousId !== version.id) {
      const payload = {
        modelName: model.name,
        alias,
        version: version.version,
        previousVersionId: previousId,
        by: session.principal.subject,
      };
      emitEvent(session, this.live, REGISTRY_EVENTS.MODEL_ALIAS_CHANGED, subject, payload, { modelId: model.id });
    }
    // Called also when the version stays the same, because a version that could not be loaded is then tried again.
    await this.follower.aliasChanged(session, model.id, alias);
    return row;
  }

  /** NOT_FOUND when the model does not have this alias. */
  async delete(session: Session, input: { modelId: string; alias: string }): Promise<ModelAlias> {
    const alias = checkAlias('input.alias', input.alias);
    const model = await this.models.lock(session, input.modelId);
    const present = await this.find(session, model.id, alias);
    if (!present) throw noAlias(model, alias);
    session.em.remove(present);
    const subject = { type: 'modelVersion', id: present.modelVersionId };
    audit(session, 'deleteModelAlias', subject, { alias, modelVersionId: present.modelVersionId }, null);
    const payload = {
      modelName: model.name,
      alias,
      version: null,
      previousVersionId: present.modelVersionId,
      by: session.principal.subject,
    };
    emitEvent(session, this.live, REGISTRY_EVENTS.MODEL_ALIAS_CHANGED, subject, payload, { modelId: model.id });
    return present;
  }

  /** Null when the model does not have this alias. */
  find(session: Session, modelId: string, alias: string): Promise<ModelAlias | null> {
    return session.em.findOne(ModelAlias, { tenant: session.tenant, modelId, alias });
  }

  /** The version of the alias. NOT_FOUND when the model does not have this alias. */
  async resolve(
    session: Session,
    of: { modelId: string } | { modelName: string },
    alias: string,
  ): Promise<ModelVersion> {
    checkAlias('alias', alias);
    const model =
      'modelId' in of ? await this.models.get(session, of.modelId) : await this.models.getByName(session, of.modelName);
    const present = await this.find(session, model.id, alias);
    if (!present) throw noAlias(model, alias);
    return session.em.findOneOrFail(ModelVersion, { id: present.modelVersionId, tenant: session.tenant });
  }

  private async versionOf(
    session: Session,
    model: Model,
    which: { id: string } | { version: number },
  ): Promise<ModelVersion> {
    const version = await session.em.findOne(ModelVersion, {
      tenant: session.tenant,
      ...('id' in which ? { id: which.id } : { modelId: model.id, version: which.version }),
    });
    if (!version) throw notFound('model version', 'id' in which ? which.id : String(which.version));
    if (version.modelId !== model.id)
      throw badInput('input.modelVersionId', `a version of model "${model.name}"`, version.id);
    return version;
  }
}

function noAlias(model: Model, alias: string): AppError {
  return new AppError(ErrorCode.NOT_FOUND, `Model "${model.name}" has no alias "${alias}".`, { got: alias });
}
