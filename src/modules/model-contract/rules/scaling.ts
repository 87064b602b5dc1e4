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
