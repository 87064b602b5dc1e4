/** What the watchdog writes before it ends a host that holds too much memory. */
export const MEMORY_MARK = 'matih-host: resident memory over the limit:';

/** Given to a host on its command line, as JSON. */
export interface HostSettings {
  parentPid: number;
  /** Resident memory of the whole host process. */
  maxResidentBytes: number;
  /** Models kept loaded; the least recently used go first. */
  maxLoadedModels: number;
  /** Sum of what the loaded models take, by file size or growth of resident memory, whichever is more. */
  maxLoadedBytes: number;
  /** One frame in either direction. */
  maxFrameBytes: number;
}
