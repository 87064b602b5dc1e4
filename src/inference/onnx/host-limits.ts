/** The watchdog writes this before it ends a host that uses too much memory. */
export const MEMORY_MARK = 'matih-host: resident memory over the limit:';
/** The watchdog writes this before it ends a host that has used up its processor time. */
export const CPU_MARK = 'matih-host: processor time over the limit:';

/** Passed to a host on its command line, as JSON. */
export interface HostSettings {
  parentPid: number;
  /** Resident memory of the whole host process. */
  maxResidentBytes: number;
  /**
   * Processor time of all its threads since its start, in milliseconds; null for no limit. The load of other processes
   * does not count.
   */
  maxCpuMs: number | null;
  /** Maximum of loaded models; the least recently used is unloaded first. */
  maxLoadedModels: number;
  /**
   * Limit for all loaded models together. For each, the file size or the growth of resident memory counts, whichever is
   * more.
   */
  maxLoadedBytes: number;
  /** Limit of one frame in either direction. */
  maxFrameBytes: number;
}
