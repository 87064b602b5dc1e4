import { DeploymentSlaDetailsDocument } from '../generated/operations.js';
import type { Caller, TestService } from '../support/service.js';

/** Prints what a deployment has measured beside what its runtime promises by default. */
export async function printSla(
  service: TestService,
  caller: Caller,
  runtime: string,
  deploymentId: string,
): Promise<void> {
  await service.app.context.services.traffic.flush();
  const { sla } = (await caller.ok(DeploymentSlaDetailsDocument, { id: deploymentId })).deployment;
  console.log(
    `${runtime}: p95 ${sla.measuredLatencyP95Ms?.toFixed(1)} ms over ${sla.requests} requests, SLA ${sla.latencyP95Ms} ms`,
  );
}
