/** What the watchdog writes before it ends a host that holds too much memory. */
export const MEMORY_MARK = 'matih-host: resident memory over the limit:';
/** What it writes before it ends a host that has used up its processor time. */
export const CPU_MARK = 'matih-host: processor time over the limit:';

/** Given to a host on its command line, as JSON. */
export interface HostSettings {
  parentPid: number;
  /** Resident memory of the whole host process. */
  maxResidentBytes: number;
  /**
   * Processor time of all its threads from its start, in milliseconds; null for no limit. A neighbour's load does not
   * count.
   */
  maxCpuMs: number | null;
  /** Models kept loaded; the least recently used go first. */
  maxLoadedModels: number;
  /** Sum of what the loaded models take, by file size or growth of resident memory, whichever is more. */
  maxLoadedBytes: number;
  /** One frame in either direction. */
  maxFrameBytes: number;
}
