export type AlertKind = 'DRIFT' | 'LATENCY' | 'ERROR_RATE';

export interface AlertPolicy {
  /** Clean windows in a row after which an open alert resolves. */
  resolveAfterCleanWindows: number;
}

export const DEFAULT_ALERT_POLICY: AlertPolicy = {
  resolveAfterCleanWindows: 2,
};

/** What one window says about one kind of alert. TOO_FEW neither raises nor clears. */
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
  /** Breached again: value and message are brought up to date. */
  | { action: 'UPDATE'; cleanWindows: 0 }
  /** A clean window, not yet enough of them. */
  | { action: 'WAIT'; cleanWindows: number }
  | { action: 'RESOLVE'; cleanWindows: number };

/** At most one alert is open per deployment and kind: `open` is it, or null. */
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
 * Nearest-rank percentile of ascending values: the smallest with at least `share` of the values at or below it; 0 for
 * none.
 */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
