import { Canary } from '../../db/entities/rollouts/canary.entity.js';
import { defineModule } from '../../define-module.js';
import { CanaryResolver } from '../../resolvers/rollouts/canary.resolver.js';
import { CanaryMoves, CanaryService, CanaryTick, LOOK_EVERY_MS, ROLLOUT_EVENTS } from './index.js';

interface RolloutServices {
  canaries: CanaryService;
  canaryTick: CanaryTick;
}

declare module '../../services.js' {
  interface Services extends RolloutServices {}
}

export default defineModule({
  name: 'rollouts',
  events: ROLLOUT_EVENTS,
  entities: [Canary],
  createServices: ({ db, live, webhookSender, logger, services }): RolloutServices => {
    const { deployments, modelVersions, webhooks } = services;
    const moves = new CanaryMoves(live, deployments);
    const canaries = new CanaryService(live, deployments, modelVersions, moves);
    return {
      canaries,
      canaryTick: new CanaryTick({ db, deployments, canaries, moves, webhooks, sender: webhookSender, logger }),
    };
  },
  resolvers: [CanaryResolver],
  createTicks: ({ services: { canaryTick } }) => [
    { name: 'canaries', intervalMs: LOOK_EVERY_MS, run: () => canaryTick.tick() },
  ],
  createBackgroundWork: ({ services: { canaryTick } }) => [{ in: 'worker', close: () => canaryTick.idle() }],
});
