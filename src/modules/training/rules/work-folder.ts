/** The parts of a job that name its folder. */
export interface WorkOwner {
  tenant: string;
  jobId: string;
  /** Null for a job without a run. */
  runId: string | null | undefined;
}

/** The folder of all files that pass between this service and the work of a job outside. */
export function workRoot({ tenant, jobId, runId }: WorkOwner): string {
  return runId == null ? `${tenant}/jobs/${jobId}/work` : `${tenant}/runs/${runId}/work`;
}

/** The same of the work that one attempt has started. */
export function workFolder(owner: WorkOwner, attempt: number): string {
  return `${workRoot(owner)}/${attempt}`;
}

/** The id of the work that an attempt starts, in letters, digits and dashes. */
export function workId(jobId: string, attempt: number): string {
  return `matih-${jobId}-${attempt}`;
}

/** The attempt that started the work with this id. */
export function attemptOfWork(id: string): number {
  return Number(id.split('-').at(-1));
}
