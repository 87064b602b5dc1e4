import type { Logger } from 'pino';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { ModelVersion, type OnnxVersion } from '../../db/entities/registry/model-version.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import type { Actor, Database } from '../../db/database.js';
import { Role } from '../core/index.js';
import { AppError, ErrorCode } from '../../errors.js';
import { rowsToTensors } from '../model-contract/index.js';
import { LeasedConsumer } from '../platform/index.js';
import { requireOnnx } from '../registry/index.js';
import { DEPLOYMENTS_WAITING } from './deployment-rows.js';
import type { DeploymentService } from './deployment.service.js';
import { WARM_UP_ROWS } from './rules/limits.js';
import type { Runtimes } from './runtimes.js';

/** The first run of a model may take longer than any later one. */
const WARM_UP_MS = 60_000;
const POLL_MS = 1_000;
const MAX_LOADING = 100;
/** Temporary faults (a store or a runtime that does not answer) are retried for this time. */
const PATIENCE_MS = 60_000;

/** Loads waiting deployments in every process that serves. The first process that has loaded one makes it READY. */
export class DeploymentActivator {
  private readonly consumer: LeasedConsumer<Deployment>;

  constructor(
    private readonly db: Database,
    live: LiveEvents,
    private readonly deployments: DeploymentService,
    private readonly runtimes: Runtimes,
    private readonly logger: Logger,
  ) {
    // Without a lease: each process loads the model itself.
    this.consumer = new LeasedConsumer({
      name: 'deployments',
      concurrency: MAX_LOADING,
      pollMs: POLL_MS,
      wakeOn: { live, topic: DEPLOYMENTS_WAITING },
      atStart: true,
      logger,
      claim: () =>
        db.asSystem((em) =>
          em.find(Deployment, { status: 'PENDING' }, { orderBy: { createdAt: 'ASC' }, limit: MAX_LOADING }),
        ),
      idOf: ({ id }) => id,
      handle: (deployment) => this.activate(deployment),
    });
  }

  start(): void {
    this.consumer.start();
  }

  stop(): Promise<void> {
    return this.consumer.stop();
  }

  private async activate(deployment: Deployment): Promise<void> {
    const { id, tenant, mode, runtime, modelVersionId, createdBy, createdAt } = deployment;
    const actor: Actor = {
      principal: { subject: createdBy, tenant, role: Role.ENGINEER, expiresAt: new Date(Date.now() + PATIENCE_MS) },
      requestId: id,
    };
    try {
      const version = await this.db.transact(actor, (session) =>
        session.em.findOneOrFail(ModelVersion, { id: modelVersionId, tenant }),
      );
      await this.runtimes.load({ deployment, version });
      if (deployment.warmUpRows) await this.warmUp(deployment, requireOnnx(version), deployment.warmUpRows);
      const won = await this.db.transact(actor, (session) => this.deployments.markReady(session, id));
      if (won) this.logger.info({ deploymentId: id, modelVersionId, mode, runtime }, 'deployment ready');
    } catch (error) {
      const isPassing = !(error instanceof AppError) || error.code === ErrorCode.UNAVAILABLE;
      this.logger.warn({ err: error, deploymentId: id }, 'deployment not loaded');
      if (isPassing && Date.now() - createdAt.getTime() < PATIENCE_MS) return;
      const reason =
        error instanceof AppError
          ? error.message
          : 'The model could not be loaded; the log of the service has the details.';
      await this.db
        .transact(actor, (session) => this.deployments.markFailed(session, id, reason))
        .catch((cause: unknown) =>
          this.logger.warn({ err: cause, deploymentId: id }, 'failure of a deployment not recorded yet'),
        );
    }
  }
  /** The model must answer the rows that its deployment gives for this: its first caller does not wait for it. */
  private async warmUp(deployment: Deployment, version: OnnxVersion, rows: Record<string, unknown>[]): Promise<void> {
    const tensors = rowsToTensors(version.signature, rows, { maxRows: WARM_UP_ROWS.max });
    await this.runtimes.infer({ deployment, version }, tensors, { deadlineMs: WARM_UP_MS });
  }
}
