export type AlertKind = 'DRIFT' | 'LATENCY' | 'ERROR_RATE';

export interface AlertPolicy {
  /** An open alert is resolved after this many clean windows in a row. */
  resolveAfterCleanWindows: number;
}

export const DEFAULT_ALERT_POLICY: AlertPolicy = {
  resolveAfterCleanWindows: 2,
};

/** The result of one window for one kind of alert. TOO_FEW neither opens nor resolves an alert. */
export interface Signal {
  kind: AlertKind;
  verdict: 'BREACHED' | 'CLEAN' | 'TOO_FEW';
  value: number;
  threshold: number;
  message: string;
}

export interface OpenAlert {
  cleanWindows: number;
}

export type AlertStep =
  | { action: 'NONE' }
  | { action: 'OPEN' }
  /** Breached again: value and message are updated. */
  | { action: 'UPDATE'; cleanWindows: 0 }
  /** A clean window, but not enough of them yet. */
  | { action: 'WAIT'; cleanWindows: number }
  | { action: 'RESOLVE'; cleanWindows: number };

/** At most one alert of each kind is open for a deployment: `open` is that alert, or null. */
export function advanceAlert(
  open: OpenAlert | null,
  signal: Signal,
  policy: AlertPolicy = DEFAULT_ALERT_POLICY,
): AlertStep {
  switch (signal.verdict) {
    case 'TOO_FEW':
      return { action: 'NONE' };
    case 'BREACHED':
      return open === null ? { action: 'OPEN' } : { action: 'UPDATE', cleanWindows: 0 };
    case 'CLEAN': {
      if (open === null) return { action: 'NONE' };
      const cleanWindows = open.cleanWindows + 1;
      return { action: cleanWindows >= policy.resolveAfterCleanWindows ? 'RESOLVE' : 'WAIT', cleanWindows };
    }
  }
}

/**
 * The nearest-rank percentile of ascending values: the smallest value for which at least `share` of the values are not
 * greater; 0 when there are none.
 */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
