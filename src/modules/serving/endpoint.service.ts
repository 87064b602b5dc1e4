import { LockMode, type FilterQuery } from '@mikro-orm/core';
import { Model } from '../../db/entities/registry/model.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { checkPathName } from '../core/index.js';
import { checkAlias } from '../registry/index.js';
import { badInput, conflict, notFound, notFoundByName } from '../../errors.js';
import { versionSignatures } from '../registry/index.js';
import { requireOwn, containsText, audit, takeTenantLock } from '../platform/index.js';
import type { DeploymentRows } from './deployment-rows.js';
import { checkRedactedFields, DEFAULT_LOG_RETENTION_DAYS } from './rules/request-log.js';
import type { VersionFollowing } from './version-following.js';

export interface EndpointSettings {
  /** At most one of stage and alias: the given one replaces the other. */
  followStage?: Endpoint['followStage'] | null;
  followAlias?: string | null;
  slaLatencyP95Ms?: number | null;
  logSampleRate?: number | null;
  redactedFields?: string[] | null;
  logRetentionDays?: number | null;
  logArchiveDays?: number | null;
  logArchiveDelayHours?: number | null;
  unknownCategories?: Endpoint['unknownCategories'] | null;
  batching?: Endpoint['batching'] | null;
}

export interface EndpointFilter {
  search?: string | null;
  modelId?: string | null;
}

const DEFAULT_LOG_SAMPLE_RATE = 1;

/** Endpoints: stable names that clients call. The versions behind them change. */
export class EndpointService {
  constructor(
    private readonly rows: DeploymentRows,
    private readonly following: VersionFollowing,
  ) {}

  async create(session: Session, input: EndpointSettings & { name: string; modelId: string }): Promise<Endpoint> {
    const name = checkPathName('input.name', input.name);
    checkSettings(input);
    await this.lockModel(session, input.modelId);
    const find = () => session.em.findOne(Endpoint, { tenant: session.tenant, name });
    let taken = await find();
    if (!taken) {
      await takeTenantLock(session, lockNameOf(name));
      taken = await find();
    }
    if (taken)
      throw conflict(`An endpoint named "${name}" already exists.`, {
        field: 'input.name',
        expected: 'a free name',
        got: name,
      });
    return this.add(session, { ...input, name }, 'createEndpoint');
  }

  /**
   * The endpoint of this name; created when it does not exist. An existing one keeps its settings. CONFLICT when it
   * serves another model or follows something else.
   */
  async getOrCreate(
    session: Session,
    input: EndpointSettings & { name: string; modelId: string },
  ): Promise<{ endpoint: Endpoint; created: boolean }> {
    const name = checkPathName('input.name', input.name);
    checkSettings(input);
    await this.lockModel(session, input.modelId);
    const find = () => session.em.findOne(Endpoint, { tenant: session.tenant, name });
    let endpoint = await find();
    if (!endpoint) {
      await takeTenantLock(session, lockNameOf(name));
      endpoint = await find();
    }
    if (!endpoint)
      return { endpoint: await this.add(session, { ...input, name }, 'getOrCreateEndpoint'), created: true };
    for (const field of ['modelId', 'followStage', 'followAlias'] as const) {
      const [present, wanted] = [endpoint[field] ?? null, input[field] ?? null];
      if (present === wanted) continue;
      throw conflict(
        `Endpoint "${name}" exists with another ${field}: change it (updateEndpoint), or choose another name.`,
        {
          field: `input.${field}`,
          expected: present ?? 'none',
          got: wanted ?? 'none',
        },
      );
    }
    return { endpoint, created: false };
  }

  private async add(
    session: Session,
    input: EndpointSettings & { name: string; modelId: string },
    action: string,
  ): Promise<Endpoint> {
    const { name } = input;
    const endpoint = session.em.create(Endpoint, {
      tenant: session.tenant,
      name,
      modelId: input.modelId,
      followStage: input.followStage ?? null,
      followAlias: input.followAlias ?? null,
      slaLatencyP95Ms: input.slaLatencyP95Ms ?? null,
      logSampleRate: input.logSampleRate ?? DEFAULT_LOG_SAMPLE_RATE,
      redactedFields: await this.redacted(session, input.modelId, input.redactedFields ?? []),
      logRetentionDays: input.logRetentionDays ?? DEFAULT_LOG_RETENTION_DAYS,
      logArchiveDays: input.logArchiveDays ?? 0,
      logArchiveDelayHours: input.logArchiveDelayHours ?? 0,
      unknownCategories: input.unknownCategories ?? 'ACCEPT',
      batching: input.batching ?? 'AUTO',
      createdBy: session.principal.subject,
    });
    await session.em.flush();
    await this.following.follow(session, endpoint);
    audit(session, action, { type: 'endpoint', id: endpoint.id }, null, {
      name,
      modelId: input.modelId,
      ...settingsOf(endpoint),
    });
    return endpoint;
  }

  /** Null in `followStage` or `followAlias` ends the following and keeps the deployments; absent settings stay. */
  async update(session: Session, input: EndpointSettings & { id: string }): Promise<Endpoint> {
    checkSettings(input);
    const { modelId } = await this.get(session, input.id);
    await this.lockModel(session, modelId);
    const endpoint = await this.rows.lock(session, input.id);
    const before = settingsOf(endpoint);
    if (input.followStage || input.followAlias)
      requireNotHeld(endpoint, input.followStage ? 'input.followStage' : 'input.followAlias');
    if (input.followStage !== undefined) endpoint.followStage = input.followStage;
    if (input.followAlias !== undefined) endpoint.followAlias = input.followAlias;
    if (input.followStage) endpoint.followAlias = null;
    if (input.followAlias) endpoint.followStage = null;
    if (input.slaLatencyP95Ms != null) endpoint.slaLatencyP95Ms = input.slaLatencyP95Ms;
    if (input.logSampleRate != null) endpoint.logSampleRate = input.logSampleRate;
    if (input.redactedFields != null)
      endpoint.redactedFields = await this.redacted(session, modelId, input.redactedFields);
    if (input.logRetentionDays != null) endpoint.logRetentionDays = input.logRetentionDays;
    if (input.logArchiveDays != null) endpoint.logArchiveDays = input.logArchiveDays;
    if (input.logArchiveDelayHours != null) endpoint.logArchiveDelayHours = input.logArchiveDelayHours;
    if (input.unknownCategories != null) endpoint.unknownCategories = input.unknownCategories;
    if (input.batching != null) endpoint.batching = input.batching;
    await session.em.flush();
    if (input.followStage || input.followAlias) await this.following.follow(session, endpoint);
    this.rows.routeChanged(session, endpoint.id);
    audit(session, 'updateEndpoint', { type: 'endpoint', id: endpoint.id }, before, settingsOf(endpoint));
    return endpoint;
  }

  /** Deletes the endpoint with its deployments, their counters, logs and alerts. CONFLICT in a canary or A/B test. */
  async delete(session: Session, id: string): Promise<Endpoint> {
    const endpoint = await this.rows.lock(session, id);
    requireNotHeld(endpoint, 'input.id');
    for (const deployment of await this.rows.active(session, endpoint))
      await this.rows.stop(session, endpoint, deployment);
    await session.em.flush();
    await session.em.nativeDelete(Endpoint, { id, tenant: session.tenant });
    this.rows.routeChanged(session, id);
    audit(
      session,
      'deleteEndpoint',
      { type: 'endpoint', id },
      { name: endpoint.name, modelId: endpoint.modelId, ...settingsOf(endpoint) },
      null,
    );
    return endpoint;
  }

  async get(session: Session, id: string): Promise<Endpoint> {
    const endpoint = await session.em.findOne(Endpoint, { id, tenant: session.tenant });
    if (!endpoint) throw notFound('endpoint', id);
    return endpoint;
  }

  async getByName(session: Session, name: string): Promise<Endpoint> {
    const endpoint = await session.em.findOne(Endpoint, { name, tenant: session.tenant });
    if (!endpoint) throw notFoundByName('endpoint', name);
    return endpoint;
  }

  async list(
    session: Session,
    filter: EndpointFilter,
    page: PageRequest,
    order: Order<'createdAt' | 'updatedAt' | 'name'>,
  ): Promise<Page<Endpoint>> {
    await requireOwn(session, Model, 'model', [filter.modelId]);
    const where: FilterQuery<Endpoint> = { tenant: session.tenant };
    if (filter.modelId != null) Object.assign(where, { modelId: filter.modelId });
    if (filter.search) Object.assign(where, { name: containsText(filter.search) });
    return paginate(session, Endpoint, where, page, order);
  }

  /** Checked against every version of the model, because any of them may be deployed. */
  private async redacted(session: Session, modelId: string, fields: readonly string[]): Promise<string[]> {
    if (fields.length === 0) return [];
    return checkRedactedFields(fields, await versionSignatures(session, modelId));
  }

  /** A promotion takes this lock too, so none can happen between reading a stage and following it. */
  private async lockModel(session: Session, modelId: string): Promise<void> {
    if (
      !(await session.em.findOne(
        Model,
        { id: modelId, tenant: session.tenant },
        { lockMode: LockMode.PESSIMISTIC_WRITE },
      ))
    )
      throw notFound('model', modelId);
  }
}

/** The name of a lock: transactions that use this endpoint name take turns. */
const lockNameOf = (name: string) => `endpoint ${name}`;

function settingsOf({
  followStage,
  followAlias,
  slaLatencyP95Ms,
  logSampleRate,
  redactedFields,
  logRetentionDays,
  logArchiveDays,
  logArchiveDelayHours,
  unknownCategories,
  batching,
}: Endpoint): object {
  const logging = { logSampleRate, redactedFields, logRetentionDays, logArchiveDays, logArchiveDelayHours };
  return { followStage, followAlias, slaLatencyP95Ms, ...logging, unknownCategories, batching };
}

function checkSettings({ followStage, followAlias }: EndpointSettings): void {
  if (followStage && followAlias != null)
    throw badInput('input.followAlias', 'a stage or an alias to follow, not both', followAlias);
  if (followAlias != null) checkAlias('input.followAlias', followAlias);
}

function requireNotHeld({ name, trafficHeldBy }: Endpoint, field: string): void {
  if (!trafficHeldBy) return;
  throw conflict(`The live traffic of "${name}" is set by ${trafficHeldBy}: end it first.`, {
    ...{ field, expected: 'an endpoint whose traffic nothing else sets', got: trafficHeldBy },
  });
}
