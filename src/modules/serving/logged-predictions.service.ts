import type { FilterQuery } from '@mikro-orm/core';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import { PredictionLog } from '../../db/entities/serving/prediction-log.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { paginate, type Page, type PageRequest } from '../../db/pagination.js';
import { inSample } from './rules/traffic.js';
import { AppError, conflict, ErrorCode, notFound, quote } from '../../errors.js';
import { requireOwn, within } from '../platform/index.js';
import { refOf, type NamedEndpoint } from './predict.service.js';
import type { TrafficRecorder } from './traffic-recorder.js';

export interface LoggedPredictionFilter {
  requestId?: string | null;
  deploymentId?: string | null;
  from?: Date | null;
  to?: Date | null;
}

/** Answered requests, read from the prediction log. */
export class LoggedPredictionService {
  constructor(
    private readonly db: Database,
    private readonly traffic: TrafficRecorder,
  ) {}

  /** NOT_FOUND when the request was not logged, CONFLICT when several requests have this id. */
  async get(actor: Actor, ref: NamedEndpoint, requestId: string): Promise<PredictionLog> {
    const find = () =>
      this.db.transact(actor, async (session) => {
        const endpoint = await findEndpoint(session, ref, 'endpointId');
        const where = { tenant: session.tenant, endpointId: endpoint.id, requestId, mode: 'LIVE' };
        const found = await session.em.find(PredictionLog, where, { orderBy: { id: 'ASC' }, limit: 50 });
        return { endpoint, found };
      });
    let { endpoint, found } = await find();
    if (found.length === 0) {
      // Writes what this process has answered just now.
      await this.traffic.flush();
      ({ endpoint, found } = await find());
    }
    const answered = found.filter(({ errorCode }) => errorCode === null);
    if (answered.length > 1) throw usedTwice(requestId, endpoint);
    const one = answered[0] ?? found.at(-1);
    if (!one) throw notLogged(requestId, endpoint);
    return one;
  }

  /** The newest requests come first. */
  async list(
    session: Session,
    ref: NamedEndpoint,
    filter: LoggedPredictionFilter,
    page: PageRequest,
  ): Promise<Page<PredictionLog>> {
    const { id: endpointId } = await findEndpoint(session, ref, 'endpointId');
    await requireOwn(session, Deployment, 'deployment', [filter.deploymentId]);
    const where: FilterQuery<PredictionLog> = { tenant: session.tenant, endpointId, mode: 'LIVE', ...within(filter) };
    if (filter.requestId != null) Object.assign(where, { requestId: filter.requestId });
    if (filter.deploymentId != null) Object.assign(where, { deploymentId: filter.deploymentId });
    return paginate(session, PredictionLog, where, page, { field: 'createdAt', direction: 'DESC' });
  }
}

/** One row with its answer. */
export interface LoggedAnswerRow {
  row: number;
  label: string | null;
  value: number | null;
  probabilities: number[] | null;
}

export function loggedAnswersOf({
  rows,
  scores,
  answers,
  errorCode,
}: Pick<PredictionLog, 'rows' | 'scores' | 'answers' | 'errorCode'>): LoggedAnswerRow[] {
  if (errorCode !== null && errorCode !== undefined) return [];
  return Array.from({ length: rows }, (_, row) => {
    const label = answers?.labels?.[row] ?? null;
    const score = scores[row] ?? null;
    if (label === null) return { row, label, value: score, probabilities: null };
    const likely =
      answers?.probabilities?.[row] ?? (score === null || answers?.classCount !== 2 ? null : [1 - score, score]);
    return { row, label, value: null, probabilities: likely?.every((one) => one !== null) ? likely : null };
  });
}

export async function findEndpoint(session: Session, named: NamedEndpoint, field: string): Promise<Endpoint> {
  const ref = refOf(named, field);
  const endpoint = await session.em.findOne(Endpoint, { tenant: session.tenant, ...ref });
  if (endpoint) return endpoint;
  throw 'id' in ref
    ? notFound('endpoint', ref.id)
    : new AppError(ErrorCode.NOT_FOUND, `No endpoint named ${quote(ref.name)}.`, { got: quote(ref.name) });
}

export function usedTwice(requestId: string, { name }: Endpoint): AppError {
  return conflict(
    `The request id ${quote(requestId)} stands for several requests at endpoint "${name}", so that nobody ` +
      'can tell which is meant. Use an id once.',
    { expected: 'an id that was used once', got: quote(requestId) },
  );
}

export function notLogged(requestId: string, { name, logSampleRate, logRetentionDays }: Endpoint): AppError {
  const why = inSample(logSampleRate, requestId)
    ? `it was never made, was made more than ${logRetentionDays} days ago, or was answered by another ` +
      'process within the last seconds'
    : `the endpoint logs ${logSampleRate} of its requests, and this one is not among them (raise ` +
      'logSampleRate to log more of those to come)';
  return new AppError(
    ErrorCode.NOT_FOUND,
    `The log of endpoint "${name}" has no request ${quote(requestId)}: ${why}.`,
    {
      expected: 'the id of a request that was logged',
      got: quote(requestId),
    },
  );
}
