import { errorRateSignal, latencySignal, driftSignal } from '../../src/modules/monitoring/rules/signals.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { advanceAlert, type OpenAlert, percentile, type Signal } from '../../src/modules/alerts/rules/alerting.js';
import { buildNumericReference, buildPredictionReference } from '../../src/modules/model-contract/rules/drift.js';
import { compareWindow } from '../../src/modules/monitoring/rules/drift-window.js';
import { queuedJob } from '../../src/jobs/engine/run-jobs.js';
import { loadModules } from '../../src/modules.js';
import { decideRetraining, DEFAULT_RETRAINING_POLICY } from '../../src/modules/monitoring/rules/retraining.js';

const signal = (verdict: Signal['verdict']): Signal => ({
  kind: 'LATENCY',
  verdict,
  value: 1,
  threshold: 1,
  message: '',
});

/** The alert after a window, as the service would store it. */
function advance(open: OpenAlert | null, verdict: Signal['verdict']): OpenAlert | null {
  const step = advanceAlert(open, signal(verdict));
  switch (step.action) {
    case 'NONE':
      return open;
    case 'OPEN':
      return { cleanWindows: 0 };
    case 'UPDATE':
    case 'WAIT':
      return { cleanWindows: step.cleanWindows };
    case 'RESOLVE':
      return null;
  }
}

describe('alerts', () => {
  it('open once, update, and resolve after two clean windows in a row', () => {
    const actions: string[] = [];
    let open: OpenAlert | null = null;
    for (const verdict of [
      'CLEAN',
      'BREACHED',
      'BREACHED',
      'CLEAN',
      'BREACHED',
      'CLEAN',
      'TOO_FEW',
      'CLEAN',
      'CLEAN',
    ] as const) {
      actions.push(advanceAlert(open, signal(verdict)).action);
      open = advance(open, verdict);
    }
    expect(actions).toEqual(['NONE', 'OPEN', 'UPDATE', 'WAIT', 'UPDATE', 'WAIT', 'NONE', 'RESOLVE', 'NONE']);
  });

  it('OPEN comes only without an open alert, RESOLVE only after one, and they alternate', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom<Signal['verdict']>('BREACHED', 'CLEAN', 'TOO_FEW')), (verdicts) => {
        let open: OpenAlert | null = null;
        let balance = 0;
        for (const verdict of verdicts) {
          const { action } = advanceAlert(open, signal(verdict));
          balance += action === 'OPEN' ? 1 : action === 'RESOLVE' ? -1 : 0;
          open = advance(open, verdict);
          expect(balance).toBe(open === null ? 0 : 1);
        }
      }),
    );
  });

  it('latency: p95 against the limit, with enough requests', () => {
    expect(latencySignal({ requests: 100, p95Ms: 95, slaP95Ms: 94 })).toMatchObject({
      kind: 'LATENCY',
      verdict: 'BREACHED',
      value: 95,
    });
    expect(latencySignal({ requests: 100, p95Ms: 95, slaP95Ms: 95 }).verdict).toBe('CLEAN');
    expect(latencySignal({ requests: 49, p95Ms: 95, slaP95Ms: 1 }).verdict).toBe('TOO_FEW');
    expect(latencySignal({ requests: 0, p95Ms: 0, slaP95Ms: 1 })).toMatchObject({ verdict: 'TOO_FEW', value: 0 });
    expect(percentile(Float64Array.of(1, 2, 3), 0.5)).toBe(2);
    expect(percentile(Float64Array.of(1, 2, 3), 1)).toBe(3);
  });

  it('error rate: its lower bound above 1 %', () => {
    expect(errorRateSignal({ requests: 100, errors: 2, maxErrorRate: 0.01 }).verdict).toBe('CLEAN');
    expect(errorRateSignal({ requests: 100, errors: 5, maxErrorRate: 0.01 })).toMatchObject({
      verdict: 'BREACHED',
      value: 0.05,
      threshold: 0.01,
    });
    expect(errorRateSignal({ requests: 10_000, errors: 140, maxErrorRate: 0.01 }).verdict).toBe('BREACHED');
    expect(errorRateSignal({ requests: 10_000, errors: 100, maxErrorRate: 0.01 }).verdict).toBe('CLEAN');
    expect(errorRateSignal({ requests: 49, errors: 49, maxErrorRate: 0.01 }).verdict).toBe('TOO_FEW');
    expect(errorRateSignal({ requests: 0, errors: 0, maxErrorRate: 0.01 })).toMatchObject({
      verdict: 'TOO_FEW',
      value: 0,
    });
  });

  it('drift: breached, clean, or too few rows', () => {
    const ramp = (count: number, offset = 0) =>
      Float64Array.from({ length: count }, (_, i) => ((i * 7919) % count) / count + offset);
    const profile = {
      features: { x: buildNumericReference(ramp(5000)) },
      prediction: buildPredictionReference(ramp(5000)),
    };
    const analyse = (count: number, offset: number, shift: number) =>
      driftSignal(compareWindow(profile, { features: { x: ramp(count, offset) }, scores: ramp(count, shift) }));
    expect(analyse(500, 0, 0)).toMatchObject({ verdict: 'CLEAN', message: 'No drift over 500 rows.' });
    expect(analyse(20, 5, 5).verdict).toBe('TOO_FEW');
    const feature = analyse(500, 0.6, 0);
    expect(feature).toMatchObject({ verdict: 'BREACHED', threshold: 0.2 });
    expect(feature.message).toMatch(/^Drift in x \(PSI \d/);
    const prediction = analyse(500, 0, 0.5);
    expect(prediction).toMatchObject({ verdict: 'BREACHED', threshold: 2 });
    expect(prediction.value).toBeGreaterThan(2);
    expect(prediction.message).toMatch(/^Drift in predictions \(/);
  });
});

describe('retraining', () => {
  const now = Date.UTC(2001, 5, 30);
  const day = 86_400_000;
  const decide = (startedAtMs: number[], running = false) =>
    decideRetraining(DEFAULT_RETRAINING_POLICY, { alertKind: 'DRIFT', startedAtMs, running }, now);

  it('starts for its alerts, outside the cool-down, within the budget, one at a time', () => {
    expect(decide([])).toEqual({ start: true, reason: 'DRIFT alert; retraining 1 of 4 in 30 days.' });
    expect(decide([], true).reason).toContain('under way');
    expect(decide([now - day / 2])).toEqual({
      start: false,
      reason: 'In the cool-down until 2001-06-30T12:00:00.000Z.',
    });
    expect(decide([now - day]).start).toBe(true);
    expect(decide([2, 3, 4, 5].map((days) => now - days * day)).reason).toContain('budget of 4');
    expect(decide([2, 3, 4, 31].map((days) => now - days * day)).start).toBe(true);
    const other = { alertKind: 'LATENCY' as const, startedAtMs: [], running: false };
    expect(decideRetraining(DEFAULT_RETRAINING_POLICY, other, now).reason).toContain('only on DRIFT');
    expect(
      decideRetraining({ ...DEFAULT_RETRAINING_POLICY, enabled: false }, { ...other, alertKind: 'DRIFT' }, now).start,
    ).toBe(false);
  });

  it('never exceeds its budget nor breaks its cool-down, however many alerts come', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(10 * day), { maxLength: 60 }), (gaps) => {
        const started: number[] = [];
        let clock = now;
        for (const gap of gaps) {
          clock += gap;
          const { start } = decideRetraining(
            DEFAULT_RETRAINING_POLICY,
            { alertKind: 'DRIFT', startedAtMs: started, running: false },
            clock,
          );
          if (start) started.push(clock);
        }
        for (const [index, at] of started.entries()) {
          if (index > 0) expect(at - started[index - 1]!).toBeGreaterThanOrEqual(day);
          if (index >= 4) expect(at - started[index - 4]!).toBeGreaterThanOrEqual(30 * day);
        }
      }),
    );
  });
});

describe('kinds of jobs', () => {
  it('have sensible limits, and messages with ids only', async () => {
    const kinds = (await loadModules()).flatMap(({ jobs }) => jobs);
    expect(kinds.length).toBeGreaterThan(10);
    const payload = { tenant: 'acme', jobId: '018f4c6e-0000-7000-8000-000000000001', attempt: 2 };
    for (const { retry, timeoutMs, maxAtOnce } of kinds) {
      expect(retry.attempts).toBeLessThanOrEqual(3);
      expect(Math.min(retry.attempts, timeoutMs, maxAtOnce)).toBeGreaterThanOrEqual(1);
    }
    expect(queuedJob.parse(payload)).toEqual(payload);
    for (const wrong of [{ ...payload, attempt: 0 }, { ...payload, jobId: 'x' }, { ...payload, model: {} }, {}]) {
      expect(queuedJob.safeParse(wrong).success).toBe(false);
    }
  });
});
