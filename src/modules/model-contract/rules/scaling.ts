/** What a deployment asks of the processes that run its model; absent: as the runtime and the service are set up. */
export interface ModelScaling {
  /** 0: the last one ends when nobody asks. 1 when absent. */
  minReplicas?: number;
  maxReplicas?: number;
  /** Threads of one run, in each replica. */
  threads?: number;
  /** With minReplicas 0: time without a request after which the last replica ends. */
  scaleToZeroAfterMs?: number;
  device?: 'CPU' | 'CUDA';
}

/** Requests at the same time that one replica shall have: the default of Ray Serve's autoscaling. */
export const TARGET_ONGOING = 2;
/** With minReplicas 0, when a deployment does not say it. */
export const DEFAULT_SCALE_TO_ZERO_MS = 600_000;
