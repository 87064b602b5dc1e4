import type { FilterQuery } from '@mikro-orm/core';
import { PromptLog } from '../../db/entities/language-models/prompt-log.entity.js';
import { PromptLogging } from '../../db/entities/language-models/prompt-logging.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Page, type PageRequest } from '../../db/pagination.js';
import { checkRange, type InputRange } from '../core/index.js';
import { audit, within } from '../platform/index.js';
import type { EndpointService } from '../serving/index.js';
import type { SecretKind } from './rules/redaction.js';

export const PROMPT_SAMPLE_RATE = { min: 0, max: 1 } satisfies InputRange;

export interface PromptLoggingInput {
  endpointId: string;
  sampleRate: number;
  redactPrompt: SecretKind[];
  redactAnswer: SecretKind[];
}

export interface PromptLogFilter {
  requestId?: string | null;
  from?: Date | null;
  to?: Date | null;
}

/** Which prompts and answers are logged, and those that were. */
export class PromptLogService {
  constructor(private readonly endpoints: EndpointService) {}

  /** A rate of 0 ends the logging; what was logged stays until it is old. */
  async set(session: Session, input: PromptLoggingInput): Promise<PromptLogging> {
    const { em, tenant } = session;
    checkRange(PROMPT_SAMPLE_RATE, input.sampleRate, { parent: null, key: 'input' }, 'sampleRate');
    const { id: endpointId } = await this.endpoints.get(session, input.endpointId);
    const found = await em.findOne(PromptLogging, { endpointId, tenant });
    const before = found && shown(found);
    const wanted = {
      sampleRate: input.sampleRate,
      redactPrompt: [...new Set(input.redactPrompt)],
      redactAnswer: [...new Set(input.redactAnswer)],
    };
    const row = found ? em.assign(found, wanted) : em.create(PromptLogging, { ...wanted, tenant, endpointId });
    audit(session, 'setPromptLogging', { type: 'endpoint', id: endpointId }, before, shown(row));
    await em.flush();
    return row;
  }

  /** The newest come first. */
  async list(
    session: Session,
    endpointId: string,
    filter: PromptLogFilter,
    page: PageRequest,
  ): Promise<Page<PromptLog>> {
    await this.endpoints.get(session, endpointId);
    const where: FilterQuery<PromptLog> = { tenant: session.tenant, endpointId, ...within(filter) };
    if (filter.requestId != null) Object.assign(where, { requestId: filter.requestId });
    return paginate(session, PromptLog, where, page, { field: 'createdAt', direction: 'DESC' });
  }
}

const shown = ({ sampleRate, redactPrompt, redactAnswer }: PromptLogging) => ({
  sampleRate,
  redactPrompt,
  redactAnswer,
});
