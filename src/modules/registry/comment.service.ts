import type { LiveEvents } from '../../adapters/live-events/port.js';
import { ModelComment } from '../../db/entities/registry/model-comment.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { containsText, audit, emitEvent } from '../platform/index.js';
import { Role, written } from '../core/index.js';
import { AppError, ErrorCode, notFound } from '../../errors.js';
import type { ModelService } from './model.service.js';
import type { ModelVersionService } from './model-version.service.js';
import { REGISTRY_EVENTS } from './events.js';

export interface CommentFilter {
  search?: string | null;
  createdBy?: string | null;
}

export const COMMENT = written(10_000);
const EXCERPT_CHARACTERS = 200;

/** Comments on models and versions: plain text, stored without changes. */
export class CommentService {
  constructor(
    private readonly live: LiveEvents,
    private readonly models: ModelService,
    private readonly versions: ModelVersionService,
  ) {}

  async create(
    session: Session,
    { on, body }: { on: { modelId: string } | { modelVersionId: string }; body: string },
  ): Promise<ModelComment> {
    const modelId = 'modelId' in on ? on.modelId : (await this.versions.get(session, on.modelVersionId)).modelId;
    // Locked, so that neither can be deleted meanwhile.
    const model = await this.models.lock(session, modelId);
    const version = 'modelVersionId' in on ? await this.versions.getFresh(session, on.modelVersionId) : null;
    const comment = session.em.create(ModelComment, {
      tenant: session.tenant,
      modelId: model.id,
      modelVersionId: version?.id,
      body,
      createdBy: session.principal.subject,
    });
    audit(session, 'createModelComment', subjectOf(comment), null, { commentId: comment.id, body });
    const payload = {
      commentId: comment.id,
      modelName: model.name,
      version: version?.version ?? null,
      excerpt: body.slice(0, EXCERPT_CHARACTERS),
      by: comment.createdBy,
    };
    emitEvent(session, this.live, REGISTRY_EVENTS.MODEL_COMMENTED, subjectOf(comment), payload, { modelId: model.id });
    return comment;
  }

  /** FORBIDDEN for everybody except the author. */
  async update(session: Session, input: { id: string; body: string }): Promise<ModelComment> {
    const comment = await this.get(session, input.id);
    if (comment.createdBy !== session.principal.subject)
      throw notAuthor(comment, session.principal.subject, comment.createdBy);
    audit(
      session,
      'updateModelComment',
      subjectOf(comment),
      { body: comment.body },
      { commentId: comment.id, body: input.body },
    );
    comment.body = input.body;
    return comment;
  }

  /** FORBIDDEN for everybody except the author and ADMIN. */
  async delete(session: Session, id: string): Promise<void> {
    const comment = await this.get(session, id);
    const { subject, role } = session.principal;
    if (comment.createdBy !== subject && role !== Role.ADMIN)
      throw notAuthor(comment, subject, `${comment.createdBy} or an ADMIN`);
    audit(
      session,
      'deleteModelComment',
      subjectOf(comment),
      { commentId: id, body: comment.body, createdBy: comment.createdBy },
      null,
    );
    session.em.remove(comment);
  }

  /** Comments on a model and all its versions, or on one version. */
  async list(
    session: Session,
    of: { modelId: string } | { modelVersionId: string },
    { search, createdBy }: CommentFilter,
    page: PageRequest,
    order: Order<'createdAt' | 'updatedAt'>,
  ): Promise<Page<ModelComment>> {
    if ('modelId' in of) await this.models.get(session, of.modelId);
    else await this.versions.get(session, of.modelVersionId);
    const where = {
      tenant: session.tenant,
      ...of,
      ...(createdBy != null && { createdBy }),
      ...(search && { body: containsText(search) }),
    };
    return paginate(session, ModelComment, where, page, order);
  }

  private async get(session: Session, id: string): Promise<ModelComment> {
    const comment = await session.em.findOne(ModelComment, { id, tenant: session.tenant });
    if (!comment) throw notFound('comment', id);
    return comment;
  }
}

function subjectOf({ modelId, modelVersionId }: ModelComment): { type: string; id: string } {
  return modelVersionId == null ? { type: 'model', id: modelId } : { type: 'modelVersion', id: modelVersionId };
}

function notAuthor({ createdBy }: ModelComment, got: string, expected: string): AppError {
  return new AppError(ErrorCode.FORBIDDEN, `The comment was written by ${createdBy}.`, {
    field: 'input.id',
    expected,
    got,
  });
}
