export const RUN_STATUSES = ['QUEUED', 'RUNNING', 'FINISHED', 'FAILED', 'KILLED'] as const;
type RunStatus = (typeof RUN_STATUSES)[number];

const ENDED: readonly RunStatus[] = ['FINISHED', 'FAILED', 'KILLED'];

/** True when nothing more is logged, unless the run is resumed. */
export function isEnded(status: RunStatus): boolean {
  return ENDED.includes(status);
}
