/** Passed to a host with its first request. */
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
