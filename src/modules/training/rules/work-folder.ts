/** The folder of the files that pass between this service and work outside; each attempt that starts work has one. */
export function workFolder({ tenant, runId, attempt }: { tenant: string; runId: string; attempt: number }): string {
  return `${tenant}/runs/${runId}/work/${attempt}`;
}

/** The id of the work that an attempt starts, in letters, digits and dashes. */
export function workId(jobId: string, attempt: number): string {
  return `matih-${jobId}-${attempt}`;
}

/** The attempt that started the work with this id. */
export function attemptOfWork(id: string): number {
  return Number(id.split('-').at(-1));
}
