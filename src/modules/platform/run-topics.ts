import type { LiveEvents } from '../../adapters/live-events/port.js';

export const metricsTopic = (runId: string) => `run-metrics:${runId}`;
export const logsTopic = (runId: string) => `run-logs:${runId}`;

/** Wakes the followers of a run's metrics or log when it ends or continues. */
export function publishRun(live: LiveEvents, runId: string): void {
  live.publish(metricsTopic(runId));
  live.publish(logsTopic(runId));
}
