export interface OnnxEngineOptions {
  /**
   * Number of host processes. A model may use all except the spare ones, so that a model that hangs leaves room for the
   * others.
   */
  hosts: number;
  /** Hosts that one model leaves to the others, if there are more than these. */
  spareHosts: number;
  /** Threads of one run. */
  threads: number;
  device: 'CPU' | 'CUDA';
  /** Maximum rows of one run; longer requests are divided. */
  maxBatchRows: number;
  /** Maximum input bytes of one run, which limits how long the event loop copies. */
  maxBatchBytes: number;
  /** Rows that wait, for all models together; above it requests are refused. */
  maxQueueRows: number;
  /** Resident memory of one host process, including the 90 MB of the runtime itself. */
  maxResidentBytes: number;
  /** Models that are loaded in one host; the least recently used are unloaded first. */
  maxLoadedModels: number;
  maxLoadedBytes: number;
  /** The largest input or answer of one run. */
  maxFrameBytes: number;
  startTimeoutMs: number;
  loadTimeoutMs: number;
  /**
   * How long a model is refused after a run ended its host; doubled by each further one in a row, up to the maximum.
   */
  quarantineBaseMs: number;
  quarantineMaxMs: number;
}

const MEBIBYTE = 1024 ** 2;

export const DEFAULT_ENGINE_OPTIONS: OnnxEngineOptions = {
  hosts: 2,
  spareHosts: 1,
  threads: 1,
  device: 'CPU',
  maxBatchRows: 2048,
  maxBatchBytes: 8 * MEBIBYTE,
  maxQueueRows: 65_536,
  maxResidentBytes: 2048 * MEBIBYTE,
  maxLoadedModels: 64,
  maxLoadedBytes: 1024 * MEBIBYTE,
  maxFrameBytes: 256 * MEBIBYTE,
  startTimeoutMs: 20_000,
  loadTimeoutMs: 30_000,
  quarantineBaseMs: 1000,
  quarantineMaxMs: 300_000,
};

export interface OnnxEngineStats {
  queuedRows: number;
  /** Requests that wait or run. */
  outstanding: number;
  /** Runs and rows since the start. */
  batches: number;
  rows: number;
  hostRestarts: number;
  readyHosts: number;
}
