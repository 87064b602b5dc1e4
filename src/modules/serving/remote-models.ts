import type { Logger } from 'pino';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Database } from '../../db/database.js';
import { requireOnnx } from '../registry/index.js';
import { servedId } from './rules/scaling.js';
import type { Runtimes } from './runtimes.js';
import { deployedOn } from './stores/deployments.js';

const SWEEP_MS = 2_000;
/** A model that nothing deploys any more still answers the requests that are under way. */
const KEEP_MS = 30_000;

/**
 * Keeps the servers of remote runtimes at what is deployed: loads again what a server has lost, for example because it
 * was restarted, and unloads what nothing deploys any more.
 */
export class RemoteModels {
  private timer: NodeJS.Timeout | null = null;
  private sweeping: Promise<void> = Promise.resolve();
  /** By runtime and version: since when nothing deploys it. */
  private readonly unwantedSince = new Map<string, number>();

  constructor(
    private readonly db: Database,
    private readonly runtimes: Runtimes,
    private readonly logger: Logger,
  ) {}

  start(): void {
    if (this.runtimes.remote.length > 0) this.plan();
  }

  async stop(): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    await this.sweeping;
  }

  private plan(): void {
    this.timer = setTimeout(() => {
      this.sweeping = Promise.all(this.runtimes.remote.map((runtime) => this.sweep(runtime))).then(() => {
        if (this.timer) this.plan();
      });
    }, SWEEP_MS);
  }

  private async sweep({ name, engine, models }: Runtimes['remote'][number]): Promise<void> {
    try {
      // First what is there: what another process deploys after this moment is not in it.
      const held = new Set(await engine.heldModels());
      const deployed = await this.db.asSystem((em) => deployedOn(em, name));
      const idOf = ({ versionId, scaling }: (typeof deployed)[number]) => servedId(versionId, scaling);
      const wanted = new Set(deployed.map(idOf));
      const lost = deployed.filter((one) => one.status === 'READY' && !held.has(idOf(one)));
      for (const one of lost) models.forget(idOf(one));
      const ids = [...new Set(lost.map(({ versionId }) => versionId))];
      const found = ids.length > 0 ? await this.db.asSystem((em) => em.find(ModelVersion, { id: { $in: ids } })) : [];
      const versions = new Map(found.map((version) => [version.id, requireOnnx(version)]));
      await Promise.all(lost.map(({ versionId, scaling }) => models.load(versions.get(versionId)!, scaling)));
      await this.unloadUnwanted(
        name,
        [...held].filter((id) => !wanted.has(id)),
        models,
      );
    } catch (error) {
      this.logger.warn({ err: error, runtime: name }, 'models of a runtime not looked after this time');
    }
  }

  private async unloadUnwanted(
    name: string,
    unwanted: readonly string[],
    models: Runtimes['remote'][number]['models'],
  ): Promise<void> {
    const now = Date.now();
    const keys = new Map(unwanted.map((id) => [`${name} ${id}`, id]));
    for (const key of this.unwantedSince.keys())
      if (key.startsWith(`${name} `) && !keys.has(key)) this.unwantedSince.delete(key);
    for (const [key, id] of keys) {
      const since = this.unwantedSince.get(key) ?? now;
      this.unwantedSince.set(key, since);
      if (now - since < KEEP_MS) continue;
      await models.unload(id);
      this.unwantedSince.delete(key);
    }
  }
}
