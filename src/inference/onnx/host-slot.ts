/** A place for one host: starts it, starts it again when it ends, and knows which models it has loaded. */
import { ChildLost } from '../../child-task/child-task.js';
import { HostProcess, type HostProcessOptions } from './host-process.js';

const MOST_SILENT_STARTS = 3;
const FIRST_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 5000;

export class HostSlot {
  readonly loaded = new Set<string>();
  /** Models to unload before the next request. */
  readonly unwanted = new Set<string>();
  host: HostProcess | undefined;
  /** True while a task uses this slot. */
  busy = false;
  restarts = 0;
  /** Why the last start failed; undefined after a success. */
  startFailure: Error | undefined;
  private failedStarts = 0;
  private closed = false;
  private retry: NodeJS.Timeout | undefined;
  private current: HostProcess | undefined;

  constructor(
    private readonly options: HostProcessOptions,
    private readonly onReady: () => void,
    private readonly onStartFailure: () => void,
  ) {
    this.start();
  }

  get idle(): boolean {
    return this.host !== undefined && !this.busy;
  }

  /** Ends the current host, so that a new one replaces it. */
  recycle(): void {
    this.host = undefined;
    this.current?.kill();
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.retry);
    this.current?.kill();
    await this.current?.exited;
  }

  private start(): void {
    const host = new HostProcess(this.options);
    this.current = host;
    host.ready.then(
      () => {
        this.failedStarts = 0;
        this.startFailure = undefined;
        this.host = host;
        this.onReady();
      },
      (error: Error) => {
        this.failedStarts += 1;
        // A process that was stopped is started again; only one that cannot start is a failure.
        const wasStopped = error instanceof ChildLost && error.reason === 'SILENCE';
        if (wasStopped && this.failedStarts < MOST_SILENT_STARTS) return;
        this.startFailure = error;
        this.onStartFailure();
      },
    );
    void host.exited.then(() => this.ended());
  }

  private ended(): void {
    this.host = undefined;
    this.loaded.clear();
    this.unwanted.clear();
    if (this.closed) return;
    this.restarts += 1;
    const backoffMs = this.failedStarts === 0 ? 0 : Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** this.failedStarts);
    this.retry = setTimeout(() => this.start(), backoffMs);
  }
}
