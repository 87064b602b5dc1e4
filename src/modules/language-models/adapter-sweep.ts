import type { Database } from '../../db/database.js';
import { endedDeployments, type TextModels } from '../serving/index.js';

/** Other processes may still send requests to a deployment that has just ended. */
const SETTLE_MS = 10_000;

/** Unloads the adapters of ended deployments, whichever process ended them. Those of other services stay. */
export async function sweepAdapters(db: Database, texts: TextModels): Promise<void> {
  const loaded = await texts.loadedAdapters();
  if (loaded.length === 0) return;
  const before = new Date(Date.now() - SETTLE_MS);
  for (const deploymentId of await db.asSystem((em) => endedDeployments(em, loaded, before)))
    await texts.unload(deploymentId);
}
