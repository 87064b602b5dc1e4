type RunStatus = 'QUEUED' | 'RUNNING' | 'FINISHED' | 'FAILED' | 'KILLED';

const ENDED: readonly RunStatus[] = ['FINISHED', 'FAILED', 'KILLED'];

/** Whether nothing more comes, unless the run is resumed. */
export function isEnded(status: RunStatus): boolean {
  return ENDED.includes(status);
}
