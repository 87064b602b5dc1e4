export interface OnnxEngineOptions {
  /** Host processes. A model may hold all but one of them, so that one that hangs leaves room for the others. */
  hosts: number;
  /** Rows of one run; longer requests are cut. */
  maxBatchRows: number;
  /** Input bytes of one run, which bounds how long the event loop copies. */
  maxBatchBytes: number;
  /** Rows waiting over all models; past it requests are refused. */
  maxQueueRows: number;
  /** Resident memory of one host process, the runtime's own 90 MB included. */
  maxResidentBytes: number;
  /** Models loaded in one host; the least recently used make room. */
  maxLoadedModels: number;
  maxLoadedBytes: number;
  /** Largest input or answer of one run. */
  maxFrameBytes: number;
  startTimeoutMs: number;
  loadTimeoutMs: number;
  /** How long a model whose run ended its host is refused: doubled by each in a row, up to the maximum. */
  quarantineBaseMs: number;
  quarantineMaxMs: number;
}

const MEBIBYTE = 1024 ** 2;

export const DEFAULT_ENGINE_OPTIONS: OnnxEngineOptions = {
  hosts: 2,
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
  /** Runs and rows since the start. */
  batches: number;
  rows: number;
  hostRestarts: number;
  readyHosts: number;
}
