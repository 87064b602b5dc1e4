import type { Database, Session } from '../../db/database.js';
import type { Deployment } from '../../db/entities/serving/deployment.entity.js';
import type { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import { deploymentReadiness, type Readiness } from './rules/readiness.js';
import type { Waiter, Waiting } from '../platform/index.js';
import { routeTopic } from './deployment-rows.js';
import type { DeployInput, DeploymentService } from './deployment.service.js';
import type { EndpointService } from './endpoint.service.js';
import { readReadiness } from './followed-versions.js';

const FIELD = 'input.waitMs';

/** Changes of deployments, for callers who want to know when they take effect. */
export class RolloutService {
  constructor(
    private readonly db: Database,
    private readonly waiting: Waiting,
    private readonly endpoints: EndpointService,
    private readonly deployments: DeploymentService,
  ) {}

  /**
   * Creates, changes or finds an endpoint. Returns when it serves what it should, when it cannot without help, or after
   * `waitMs`.
   */
  async endpoint<T extends { endpoint: Endpoint }>(
    who: Waiter,
    waitMs: number,
    work: (session: Session) => Promise<T>,
  ): Promise<T & { readiness: Readiness }> {
    const done = await this.db.transact(who, work);
    const { id } = done.endpoint;
    const readiness = await this.until(who, id, waitMs, (session) => readReadiness(session, id));
    return { ...done, endpoint: await this.db.transact(who, (session) => this.endpoints.get(session, id)), readiness };
  }

  /** Deploys a version. Returns when it is loaded, when it has failed, or after `waitMs`. */
  async deploy(
    who: Waiter,
    waitMs: number,
    input: DeployInput,
  ): Promise<{ deployment: Deployment; readiness: Readiness }> {
    const deployment = await this.db.transact(who, (session) => this.deployments.deploy(session, input));
    return this.settled(who, waitMs, deployment);
  }

  /** A deployment when it is loaded, when it has failed or ended, or after `waitMs`. */
  async settled(
    who: Waiter,
    waitMs: number,
    { id, endpointId }: Pick<Deployment, 'id' | 'endpointId'>,
  ): Promise<{ deployment: Deployment; readiness: Readiness }> {
    const get = (session: Session) => this.deployments.get(session, id);
    const readiness = await this.until(who, endpointId, waitMs, async (session) =>
      deploymentReadiness(await get(session)),
    );
    return { deployment: await this.db.transact(who, get), readiness };
  }

  private until(
    who: Waiter,
    endpointId: string,
    waitMs: number,
    look: (session: Session) => Promise<Readiness>,
  ): Promise<Readiness> {
    return this.waiting.until(
      who,
      { topic: routeTopic(endpointId), waitMs, field: FIELD },
      () => this.db.transact(who, look),
      ({ isOnItsWay }) => !isOnItsWay,
    );
  }
}
