import { Arg, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { SLA_MIN_REQUESTS, SLA_WINDOW_MINUTES, slaOf, type DeclaredSla } from '../../modules/serving/index.js';
import type { RequestContext } from '../request-context.js';
import { DeploymentType } from './deployment.types.js';
import { DeploymentSla, SetDeploymentSlaInput, SetDeploymentSlaPayload } from './sla.types.js';

const MINUTE_MS = 60_000;

@Resolver(() => DeploymentType)
export class SlaResolver {
  @Mutation(() => SetDeploymentSlaPayload, {
    description: 'Changes the SLA of a deployment. Its next monitoring window is compared with the new one.',
  })
  async setDeploymentSla(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => SetDeploymentSlaInput, { description: 'The deployment, and what it promises.' })
    { deploymentId, sla }: SetDeploymentSlaInput,
  ): Promise<SetDeploymentSlaPayload> {
    return {
      deployment: await ctx.run((session) => ctx.services.deployments.setSla(session, deploymentId, sla ?? null)),
    };
  }

  @FieldResolver(() => DeploymentSla, { description: 'What the deployment promises, and whether it keeps it.' })
  async sla(
    @Root() deployment: DeploymentType & { sla?: DeclaredSla | null },
    @Ctx() ctx: RequestContext,
  ): Promise<DeploymentSla> {
    const minute = Math.floor(Date.now() / MINUTE_MS);
    const from = new Date((minute - SLA_WINDOW_MINUTES) * MINUTE_MS);
    const [endpoint, traffic] = await Promise.all([
      ctx.loaders.endpoint.load(deployment.endpointId),
      ctx.loaders.deploymentTraffic.load({ deploymentId: deployment.id, from, to: null }),
    ]);
    const { latencyP95Ms, maxErrorRate } = slaOf(deployment, endpoint ?? {});
    const { requests, latencyP95Ms: measuredLatencyP95Ms, errorRate: measuredErrorRate } = traffic;
    const isKept = (measuredLatencyP95Ms ?? 0) <= latencyP95Ms && (measuredErrorRate ?? 0) <= maxErrorRate;
    return {
      ...{ latencyP95Ms, maxErrorRate, windowMinutes: SLA_WINDOW_MINUTES, requests },
      ...{ measuredLatencyP95Ms, measuredErrorRate, isMet: requests < SLA_MIN_REQUESTS ? null : isKept },
    };
  }
}
